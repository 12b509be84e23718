"""CEL, the language of ``x-kubernetes-validations``, with the functions Kubernetes adds to it.

``runtime`` compiles and evaluates expressions with the ``cel-expr-python`` package, ``library``
adds the functions, ``syntax`` reads the compiled tree, and ``fields`` checks it against a schema.
Nothing of the package is imported before the first expression is compiled.
"""

"""The apply order."""

from echelon.agent.waves import LAST_WAVE, in_waves, wave_of


def test_a_namespace_comes_before_what_lives_in_it():
    assert wave_of("", "Namespace") < wave_of("", "ConfigMap") < wave_of("apps", "Deployment")


def test_a_binding_comes_after_its_role():
    group = "rbac.authorization.k8s.io"
    assert wave_of(group, "Role") < wave_of(group, "RoleBinding") < wave_of("", "Service")


def test_custom_resources_come_last_even_when_they_borrow_a_name():
    assert wave_of("example.com", "Widget") == wave_of("serving.example.dev", "Service") == LAST_WAVE
    assert wave_of("admissionregistration.k8s.io", "MutatingWebhookConfiguration") < LAST_WAVE


def test_waves_keep_the_order_within_and_leave_out_the_empty():
    items = [("example.com", "Widget", 1), ("", "ConfigMap", 2), ("", "Namespace", 3), ("", "Secret", 4)]
    assert in_waves(items) == [[3], [2, 4], [1]]

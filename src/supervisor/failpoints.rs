//! Where tests can make a supervisor or its launchers fail or die.

/// Every point of the supervisor, in the order a pod's life passes them. `supervisor.launcher.*` and `supervisor.sandbox.*` but
/// `make` are passed by launchers: killing there kills the launcher alone.
pub const FAILPOINTS: [&str; 24] = [
    "supervisor.listening",
    "supervisor.adopted",
    "supervisor.request.received",
    "supervisor.state.saved",
    "supervisor.status.published",
    "supervisor.sandbox.make",
    "supervisor.sandbox.begin",
    "supervisor.sandbox.namespaces",
    "supervisor.sandbox.files",
    "supervisor.sandbox.volumes",
    "supervisor.sandbox.network",
    "supervisor.container.create",
    "supervisor.launcher.begin",
    "supervisor.launcher.created",
    "supervisor.container.created",
    "supervisor.container.start",
    "supervisor.container.started",
    "supervisor.container.delete",
    "supervisor.container.deleted",
    "supervisor.pod.teardown",
    "supervisor.network.teardown",
    "supervisor.pod.torn_down",
    "supervisor.request.done",
    "supervisor.end",
];

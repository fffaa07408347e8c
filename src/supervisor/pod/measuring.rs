//! The pod's task looks at what the pod takes of the disk.

use super::{Driver, Message};
use crate::supervisor::context::moment;
use crate::supervisor::housekeeping;
use crate::supervisor::machine::{Goal, Input, Sandbox, State};

impl Driver {
    /// Looks at what the pod takes of the disk. One that is not up takes no more than before.
    pub(super) fn measure(&mut self) {
        let Some(pace) = &mut self.pace else { return };
        let State { goal, sandbox, cells, .. } = &self.machine.state;
        if *goal != Goal::Run || !matches!(sandbox, Sandbox::Namespaces | Sandbox::Up) {
            return pace.skip(moment());
        }
        pace.begin();
        let live = cells.iter().map(|cell| cell.step.is_live()).collect();
        let (context, record, sender) = (self.context.clone(), self.record.clone(), self.sender.clone());
        tokio::task::spawn_local(async move {
            let found = housekeeping::look(&context, &record, live).await;
            let _ = sender.send(Message::Measured(found)); // a pod that is over has no limits
        });
    }

    pub(super) fn measured(&mut self, found: Result<housekeeping::Found, String>) {
        if let Err(error) = &found {
            tracing::warn!(pod = %self.record.id, "cannot measure what the pod takes of the disk: {error}");
        }
        let found = found.ok();
        if let Some(pace) = &mut self.pace {
            pace.end(found.as_ref(), moment());
        }
        if let Some(message) = found.and_then(|found| found.over) {
            self.feed(Input::OverLimit { message });
        }
    }
}

//! The agents in force, which a reload replaces while runs go on.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::registry::AgentRegistry;

/// The agents in force. A run that has begun keeps what it began with; the next one gets what is in
/// force then.
pub struct Agents(RwLock<Arc<AgentRegistry>>);

impl Agents {
    /// These, for now.
    pub fn new(registry: AgentRegistry) -> Self {
        Self(RwLock::new(Arc::new(registry)))
    }

    /// Those in force now.
    pub fn current(&self) -> Arc<AgentRegistry> {
        self.0.read().clone()
    }

    /// Puts others in force.
    pub fn replace(&self, registry: AgentRegistry) {
        *self.0.write() = Arc::new(registry);
    }
}

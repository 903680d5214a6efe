//! Those who use the house: they send, decide, meddle, and read.

pub mod operator;
pub mod person;
pub mod reader;
pub mod sender;

use std::sync::Arc;

use crate::house::House;
use crate::world::World;

/// What every client has.
#[derive(Clone)]
pub struct Outside {
    /// The world.
    pub world: Arc<World>,
    /// The house.
    pub house: Arc<House>,
}

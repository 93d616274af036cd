//! temp
use super::Engine;
use anyhow::Result;
impl Engine {
    pub(super) async fn reflect(&mut self, _attempt: u32) -> Result<()> {
        std::future::ready(Ok(())).await
    }
    pub(super) async fn replan(&mut self, _epoch: u32) -> Result<()> {
        std::future::ready(Ok(())).await
    }
}

//! Headwater's metrics in Prometheus' text format: `cargo run --example prometheus`.

#![expect(clippy::print_stdout, reason = "an example says what it does")]

use std::error::Error;

use headwater::{Engine, Key};
use metrics_exporter_prometheus::PrometheusBuilder;

fn main() -> Result<(), Box<dyn Error>> {
    let recorder = PrometheusBuilder::new().install_recorder()?;
    let engine = Engine::builder().build()?;
    engine.create(&Key::new("room/1")?, "{}".parse()?)?;
    engine.sample_metrics(); // a tick does so once a second
    recorder.run_upkeep();
    print!("{}", recorder.render());
    Ok(())
}

use std::{fmt, fs, thread};

use serde::{Deserialize, Serialize};

/// What the figures were measured on.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// The model that the first processor calls itself; `None` where the system does not tell.
    #[serde(rename = "cpu")]
    pub(crate) processor: Option<String>,
    /// How many threads run at a time.
    pub(crate) cores: Option<usize>,
}

impl Machine {
    pub(crate) fn of_this_run() -> Self {
        let processor = fs::read_to_string("/proc/cpuinfo");
        let processor = processor.as_deref().ok().and_then(model);
        Self {
            processor: processor.map(str::to_owned),
            cores: thread::available_parallelism().ok().map(usize::from),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.processor.as_deref().unwrap_or("unknown"))?;
        match self.cores {
            Some(cores) => write!(f, ", {cores} cores"),
            None => Ok(()),
        }
    }
}

/// From the text of `/proc/cpuinfo` (proc(5)).
fn model(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_what_stands_behind_its_name() {
        let text =
            "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Fast  CPU @ 2 GHz\n\nmodel name : B";
        assert_eq!(model(text), Some("Fast  CPU @ 2 GHz"));
        assert_eq!(model("processor: 0"), None);
    }
}

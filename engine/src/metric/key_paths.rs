//! The key paths of a metric in pings.

use super::aggregates::MAIN;
use super::model::{Metric, TimeFrame};

impl Metric {
    /// Whether its value is a number, which it is unless `value_type` says otherwise.
    pub fn is_number(&self) -> bool {
        let mut types = self.other.iter().filter(|(key, _)| key == "value_type");
        types.next().is_none_or(|(_, value_type)| value_type == "number")
    }

    /// The key paths of the metric in pings, each with its time frame.
    ///
    /// A metric with a list of time frames has a path for each, with the ending that GitLab gives it;
    /// an aggregate has one for each of its time frames. Any other metric has its own key path, and
    /// without a time frame that is of 28 days.
    pub fn key_paths(&self) -> Vec<(String, TimeFrame)> {
        let includes = |frame: &TimeFrame| self.time_frames.contains(frame);
        if self.has_frame_list {
            let ending = |frame| match frame {
                TimeFrame::Week => "_weekly",
                TimeFrame::Month => "_monthly",
                TimeFrame::All | TimeFrame::None => "",
            };
            let path = |frame: &TimeFrame| (format!("{}{}", self.key_path, ending(*frame)), *frame);
            return self.time_frames.iter().map(path).collect();
        }
        let mut aggregated = MAIN.iter().filter(|(frame, _)| includes(frame));
        let name = aggregated.next().and_then(|(_, start)| self.key_path.strip_prefix(start));
        if let (Some(name), true) = (name, self.time_frames.len() > 1) {
            let frames = MAIN.iter().filter(|(frame, _)| includes(frame));
            return frames.map(|(frame, start)| (format!("{start}{name}"), *frame)).collect();
        }
        let frame = self.time_frames.first().copied().unwrap_or(TimeFrame::Month);
        vec![(self.key_path.clone(), frame)]
    }
}

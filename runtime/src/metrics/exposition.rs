//! Figures as a scraper reads them.

use prometheus_client::encoding::{prometheus_protobuf, prometheus_text, text};
use prometheus_client::registry::Registry;
use prost::Message;

use super::accept::Format;
use super::exemplars;
use super::snapshot::Snapshot;

/// Writes `snapshot` in that format.
///
/// # Errors
/// A figure cannot be written, which is a defect.
pub(super) fn render(snapshot: Snapshot, format: Format) -> anyhow::Result<Vec<u8>> {
    let snapshot = std::sync::Arc::new(snapshot);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot.clone()));
    let mut written = String::new();
    match format {
        Format::Text => {
            prometheus_text::encode(&mut written, &registry)?;
            Ok(written.into())
        }
        Format::OpenMetrics => {
            text::encode(&mut written, &registry)?;
            Ok(exemplars::add_to_text(&written, &snapshot).into())
        }
        Format::Protobuf => {
            let mut families = prometheus_protobuf::encode(&registry)?;
            exemplars::add_to_messages(&mut families, &snapshot);
            Ok(families.iter().flat_map(Message::encode_length_delimited_to_vec).collect())
        }
    }
}

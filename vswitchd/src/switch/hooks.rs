//! What: what the pipeline asks of devices by interface name, without the owner in between.

/// The counters of the device behind an interface, in the pipeline's words.
pub fn port_counters(devices: &super::Devices, name: &str) -> weft_pipeline::PortCounters {
    let device = devices.read().unwrap_or_else(|e| e.into_inner()).get(name).map(|(device, _)| device.clone());
    let stats = device.and_then(|device| device.stats().ok()).unwrap_or_default();
    weft_pipeline::PortCounters {
        rx_packets: stats.rx_packets,
        tx_packets: stats.tx_packets,
        rx_bytes: stats.rx_bytes,
        tx_bytes: stats.tx_bytes,
        rx_dropped: stats.rx_dropped,
        tx_dropped: stats.tx_dropped,
        rx_errors: stats.rx_errors,
        tx_errors: stats.tx_errors,
        rx_frame_err: stats.rx_frame_err,
        rx_over_err: stats.rx_over_err,
        rx_crc_err: stats.rx_crc_err,
        collisions: stats.collisions,
        custom: stats.custom,
    }
}

/// Takes the device behind an interface up or down.
pub fn set_admin(devices: &super::Devices, name: &str, up: bool) {
    let device = devices.read().unwrap_or_else(|e| e.into_inner()).get(name).map(|(device, _)| device.clone());
    if let Some(Err(error)) = device.map(|device| device.set_up(up)) {
        let why = weft_jsonrpc::session::bare(&error);
        tracing::warn!(target: "bridge", "interface {name}: cannot set it {} ({why})", if up { "up" } else { "down" });
    }
}

//! Joins the parts: settings → sandbox or Mixpanel → tools → protocol → transport.

use log::info;

use crate::mcp::service::Service;
use crate::mixpanel::Mixpanel;
use crate::sandbox::{self, Sandbox};
use crate::settings::Settings;
use crate::tools::{self, MixpanelApplication};
use crate::transport::HttpServer;

/// Serves until told to stop.
///
/// # Errors
///
/// One line that says why the server cannot start.
pub fn run(mut settings: Settings) -> Result<(), String> {
    let sandbox = settings.sandbox.then(Sandbox::start).transpose();
    let sandbox = sandbox.map_err(|error| format!("--sandbox: {error}"))?;
    if let Some(sandbox) = &sandbox {
        sandbox::point_to(sandbox, &mut settings.mixpanel);
    }
    let told = told(&settings);
    let address = settings.http.address;
    let mixpanel = Mixpanel::new(settings.mixpanel)?;
    let application = MixpanelApplication::new(mixpanel, settings.sandbox);
    let server = HttpServer::start(settings.http, Service::new(application));
    let server = server.map_err(|error| format!("--host, --port: cannot listen on {address}: {error}"))?;
    info!("{} {} on http://{}, {told}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"), server.address());
    server.wait();
    Ok(())
}

/// What the log's first line says of the settings; never which credentials there are.
fn told(settings: &Settings) -> String {
    let credentials = if settings.mixpanel.account.is_some() { "set" } else { "not set, callers bring their own" };
    let toolsets: Vec<&str> = tools::TOOLSETS.iter().map(|toolset| toolset.name).collect();
    let sandbox = if settings.sandbox { "sandbox (invented data)" } else { "no sandbox" };
    format!(
        "region {}, credentials {credentials}, toolsets {}, {sandbox}",
        settings.mixpanel.region,
        toolsets.join(" ")
    )
}

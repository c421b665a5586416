import ArgumentParser
import NTMServer

/// A web site as a browser names it, such as https://example.org, or * for any.
struct Origin: ExpressibleByArgument {
  let text: String

  init?(argument: String) {
    guard ServiceOptions.isOrigin(argument) else { return nil }
    text = argument
  }
}

/// The name of a host, without port.
struct HostName: ExpressibleByArgument {
  let text: String

  init?(argument: String) {
    guard ServiceOptions.isHostName(argument) else { return nil }
    text = argument
  }
}

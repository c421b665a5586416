import ArgumentParser

/// The value of `--host`: an address or a name, without brackets around an IPv6 address.
enum ListenHost {
  /// - Throws: `ValidationError` if brackets are around something else, or a port stands behind them.
  static func parse(_ text: String) throws -> String {
    guard text.hasPrefix("[") else { return text }
    let address = text.dropFirst().prefix { $0 != "]" }
    guard text == "[\(address)]", address.contains(":") else {
      throw ValidationError(
        "\"\(text)\" is not a host; an IPv6 address is written as ::1 or [::1], and the port is "
          + "--port")
    }
    return String(address)
  }
}

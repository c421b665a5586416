/// Which names clients may call the server by. A page whose own name is made to lead to this machine
/// (DNS rebinding) is on the same site as the server for a browser; that name tells it apart.
struct HostRules: Sendable {
  /// Without brackets.
  private let names: [[UInt8]]

  /// - Parameter names: as in a `Host` header, without port
  init(_ names: [String]) { self.names = names.map { Array(Self.unbracketed($0).utf8) } }

  /// What stands for this machine itself.
  static let loopback = ["localhost", "127.0.0.1", "::1"]

  /// - Parameter host: a `Host` header; nil for none, as in HTTP/1.0, which no browser sends
  func allows(_ host: UnsafeRawBufferPointer?) -> Bool {
    guard let host else { return true }
    let name = Self.name(host)
    return names.contains { equalsIgnoringASCIICase($0, name) }
  }

  /// Whether this can be the name of a host: no scheme, port or path.
  static func isName(_ text: String) -> Bool {
    let name = unbracketed(text)
    guard !name.isEmpty else { return false }
    let isAddress = name.count { $0 == ":" } > 1
    return name.utf8.allSatisfy { byte in
      byte.isLetterOrDigit || "-._".utf8.contains(byte) || isAddress && byte == UInt8(ascii: ":")
    }
  }

  /// Without the port and brackets.
  private static func name(_ host: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    if host.first == UInt8(ascii: "[") {
      let end = host.lastIndex(of: UInt8(ascii: "]")) ?? 1
      return UnsafeRawBufferPointer(rebasing: host[1..<end])
    }
    guard let colon = host.lastIndex(of: UInt8(ascii: ":")),
      // More than one: an IPv6 address as it should not be written, without brackets.
      !host[..<colon].contains(UInt8(ascii: ":"))
    else { return host }
    return UnsafeRawBufferPointer(rebasing: host[..<colon])
  }

  private static func unbracketed(_ name: some StringProtocol) -> Substring {
    let name = Substring(name)
    return name.hasPrefix("[") && name.hasSuffix("]") ? name.dropFirst().dropLast() : name
  }
}

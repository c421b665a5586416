import Logging

/// A line for each request that was answered: method, path, status, bytes, microseconds.
struct AccessLog: Sendable {
  private let logger: Logger?

  /// - Parameter isOn: whether lines are written at all
  init(_ logger: Logger, isOn: Bool) { self.logger = isOn ? logger : nil }

  func write(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64) {
    guard let logger else { return }
    logger.info(
      "\(request.summary) \(status) \(responseBytes) B \(duration / 1000) µs")
  }
}

extension HTTPRequest {
  /// Method and path for a log. A control character, which could forge a line or command the
  /// reader's terminal, is percent-escaped.
  var summary: String {
    let text = "\(method) \(path)"
    guard text.unicodeScalars.contains(where: \.isControl) else { return text }
    return text.unicodeScalars.map { scalar in
      scalar.isControl
        ? scalar.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
          .joined()
        : String(scalar)
    }.joined()
  }
}

extension Unicode.Scalar {
  /// Of C0, delete or C1.
  fileprivate var isControl: Bool { value < 0x20 || (0x7F...0x9F).contains(value) }
}

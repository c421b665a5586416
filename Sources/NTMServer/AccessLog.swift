import Logging

/// A line for each request that was answered: method, path, status, bytes, microseconds.
struct AccessLog: Sendable {
  private let logger: Logger?

  /// - Parameter isOn: whether lines are written at all
  init(_ logger: Logger, isOn: Bool) { self.logger = isOn ? logger : nil }

  /// The text without control characters, which a terminal might obey.
  static func printable(_ text: String) -> String {
    String(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? "?" : Character($0) })
  }

  func write(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64) {
    guard let logger else { return }
    logger.info(
      "\(Self.printable(request.method)) \(Self.printable(request.path)) \(status) \(responseBytes) B \(duration / 1000) µs"
    )
  }
}

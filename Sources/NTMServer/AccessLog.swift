import Logging

/// A line for each request that was answered: method, path, status, bytes, microseconds.
struct AccessLog: Sendable {
  private let logger: Logger?

  /// - Parameter isOn: whether lines are written at all
  init(_ logger: Logger, isOn: Bool) { self.logger = isOn ? logger : nil }

  func write(_ request: HTTPRequest, status: Int, responseBytes: Int, duration: UInt64) {
    guard let logger else { return }
    logger.info(
      "\(request.method) \(request.path) \(status) \(responseBytes) B \(duration / 1000) µs")
  }
}

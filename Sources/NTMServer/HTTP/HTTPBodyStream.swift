/// A reply whose body is made while it is sent.
struct HTTPStreamReply: Sendable {
  /// Not one that has no body, such as 204.
  var status: Int
  let contentType: String?
  /// Without `Content-Length`: the body is chunked, or ends with the connection for HTTP/1.0.
  var headers: [(name: String, value: String)]
  /// Called once when the reply begins, on the event loop, and must return at once: it hands the
  /// stream to a worker, or registers it where events come from. It must not `write`, which would
  /// wait for the loop that it is called on. Not called for HEAD, after which the connection is
  /// closed.
  let start: @Sendable (HTTPBodyStream) -> Void

  init(
    status: Int, contentType: String? = nil, headers: [(name: String, value: String)] = [],
    start: @escaping @Sendable (HTTPBodyStream) -> Void
  ) {
    self.status = status
    self.contentType = contentType
    self.headers = headers
    self.start = start
  }
}

/// The producer's end of a streaming reply. From any thread.
///
/// The request itself may be complete at any moment, when the client leaves: what the producer needs
/// of it is taken before `start` returns.
///
/// A stream that goes away unfinished breaks the reply off, so a producer that is stopped by an
/// error needs to do nothing.
final class HTTPBodyStream: Sendable {
  enum Offer: Sendable {
    case taken
    /// Too much is waiting: the client is slower than the producer.
    case full
    /// As when `write` gives false.
    case closed
  }

  private let buffer: StreamBuffer
  /// Threads for what the stream is made of.
  let workers: WorkerPool

  init(_ buffer: StreamBuffer, workers: WorkerPool) {
    self.buffer = buffer
    self.workers = workers
  }

  deinit { abort() }

  /// Appends to the body, once there is room for it: blocks its thread while more than
  /// `StreamBuffer.bound` bytes would wait.
  ///
  /// - Returns: false when the stream is over, because the client has left, the server has given up
  ///   or the producer has ended it
  func write(_ bytes: [UInt8]) -> Bool { buffer.write(bytes) }

  /// Appends to the body if there is room for it, without waiting.
  func offer(_ bytes: [UInt8]) -> Offer { buffer.offer(bytes) }

  /// Calls `body` once when there is room for so many bytes, or when the stream is over; at once if
  /// that is so already. One at a time may wait. It is called on the event loop, or where the stream
  /// is ended, and must return at once. A stream that it holds is not dropped while it waits.
  func whenWritable(_ count: Int, _ body: @escaping @Sendable () -> Void) {
    buffer.whenWritable(count, body)
  }

  /// Ends the body in an orderly way, when what was written has been sent.
  func finish() { buffer.end(.finished) }

  /// Breaks the connection off, when what was written has been sent. The last chunk is missing, by
  /// which the client sees that the reply is not whole; of an HTTP/1.0 reply it cannot see that.
  func abort() { buffer.end(.aborted) }

  /// The client has left, or the server has given up; also when the whole body has been sent.
  var isClosed: Bool { buffer.isClosed }

  /// Calls `body` once when the client leaves or the server gives up, at once if that has happened;
  /// not after `finish` or `abort`. It is called on the event loop and must return at once. It must
  /// not hold the stream, which would never be dropped then.
  ///
  /// Also a client that only ends its own side of the connection counts as having left: the two
  /// cannot be told apart without sending something.
  func onClose(_ body: @escaping @Sendable () -> Void) { buffer.onClose(body) }
}

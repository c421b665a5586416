/// The way of a streaming reply through its event loop. All of it runs on the loop's thread, except
/// that a producer resumes the connection.
///
/// libmicrohttpd asks for bytes whenever the socket takes some. Where there are none, the connection
/// is suspended until the producer has written, so that an idle stream costs its loop nothing. A
/// suspended connection has no idle timeout, but libmicrohttpd doesn't see either when its client
/// leaves: the loop looks for that itself.
extension EventLoop {
  /// Nanoseconds after which each stream is checked again for a client that has left.
  private static let lookInterval: UInt64 = 1_000_000_000
  /// Streams that are checked at a time, and nanoseconds in between: the loop serves others then. Of
  /// very many it is a fourth, as a loop without requests makes five rounds a second.
  private static let checksPerLook = 64
  private static let checkInterval: UInt64 = 10_000_000

  /// Answers with a stream. A result of false means that the connection is dropped.
  func stream(_ record: RequestRecord, _ reply: HTTPStreamReply) -> Bool {
    let buffer = StreamBuffer()
    record.stream = buffer
    let head = completed(
      HTTPResponse(status: reply.status, contentType: reply.contentType, headers: reply.headers),
      record)
    guard answer(record, head) else {
      return false
    }
    guard !record.isHead else {
      buffer.end(.finished)
      return true
    }
    streams[ObjectIdentifier(record)] = record
    reply.start(HTTPBodyStream(buffer, workers: workers))
    return true
  }

  /// Gives libmicrohttpd the next bytes of a body.
  func read(_ record: RequestRecord, into buffer: UnsafeMutableRawBufferPointer)
    -> StreamBuffer.Read
  {
    activity &+= 1
    guard let stream = record.stream else { return .broken }
    return stream.read(into: buffer) {
      suspend(record)
      // Held: a producer may outlive the server.
      return { self.resume(record) }
    }
  }

  /// Closes the streams whose clients have left. Each is checked about once a second.
  func lookForDisconnects() {
    guard !streams.isEmpty else { return }
    let now = monotonicNanoseconds()
    guard now >= nextLook else { return }
    if streamsToCheck.isEmpty { streamsToCheck = Array(streams.keys) }
    let some = Array(
      streamsToCheck.suffix(max(Self.checksPerLook, streams.count / 4)))
    streamsToCheck.removeLast(some.count)
    nextLook = now + (streamsToCheck.isEmpty ? Self.lookInterval : Self.checkInterval)
    // A stream that its producer has ended is not suspended, so libmicrohttpd watches its client.
    let open = some.compactMap { streams[$0] }.filter { $0.stream?.isOpen == true }
    let hasLeft = ConnectionSocket.haveLeft(open.map { $0.connection.socket })
    for (record, hasLeft) in zip(open, hasLeft) where hasLeft { record.stream?.close() }
  }

  /// Breaks off all streams.
  func closeStreams() {
    for record in streams.values { record.stream?.close() }
  }
}

/// Requests that libmicrohttpd 0.9.75 can't handle, which are refused past it.
extension EventLoop {
  /// Runs without progress after which stalled bodies are looked for. The library itself runs without
  /// progress now and then, as in a TLS handshake.
  static let fewIdleRuns = 64
  /// Runs after which a stalled body needs no further sign.
  private static let manyIdleRuns = 20_000
  /// Bytes of the usual line with a chunk's size.
  private static let usualChunkLine = 64

  /// Ends the requests whose chunk lines fill the connection's buffer.
  ///
  /// The library waits for the rest of such a line, but has no room to read it: it runs again and
  /// again, and uses a whole core. The sign is that it has read bytes of a chunked body since it gave
  /// the last part to us. A client that pauses within a short chunk line shows the same sign with a
  /// few bytes, so these count only if the runs go on after all others have been ended.
  func endStalledBodies(afterRuns runs: Int) {
    guard runs % Self.fewIdleRuns == 0 else { return }
    let fewest = runs < Self.manyIdleRuns ? Self.usualChunkLine : 1
    for client in clients.values
    where !client.isPaused && client.request?.isChunked == true {
      guard let read = client.connection.socket.readBytes, let last = client.readAtLastPart,
        read >= last + UInt64(fewest)
      else { continue }
      cutOff(client, .malformed(reason: "a chunk's size line, with its extensions, is too long"))
    }
  }

  /// Answers the request whose `Content-Length` the library has just found malformed.
  func refuseMalformedLength() {
    for client in clients.values where client.isReceivingHeaders {
      guard let text = client.connection.header("Content-Length", isTrimmed: false),
        UInt64(decimal: text) == nil
      else { continue }
      cutOff(
        client, .malformed(reason: "Content-Length is \"\(text)\"; a number of bytes is valid"))
    }
  }
}

extension UInt64 {
  /// Digits and nothing else.
  fileprivate init?(decimal text: String) {
    guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
      return nil
    }
    self.init(text)
  }
}

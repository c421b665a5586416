/// The way of one request through its event loop. All of it runs on the loop's thread; a result of
/// false means that the connection is dropped.
extension EventLoop {
  /// The headers are here. A response now closes the connection, as the body is never read.
  func begin(_ record: RequestRecord) -> Bool {
    activeRequests += 1
    let counts = record.connection.headerCounts
    if let refusal = headRefusal(record, counts) { return refuse(record, refusal, closes: true) }
    let isChunked = record.connection.header("Transfer-Encoding") != nil
    let length = counts.lengths == 0 ? nil : record.connection.contentLength
    guard isChunked || (length ?? 0) > 0 else { return true }
    if let response = handler.admit(HTTPRequest(record)) {
      return answer(record, completed(response, record), closes: true)
    }
    record.client.receivesBody(of: record)
    guard let refusal = expectBody(of: record, length: length, codings: counts.codings) else {
      return true
    }
    return refuse(record, refusal, closes: true)
  }

  /// The request is complete, or its work is.
  func proceed(_ record: RequestRecord) -> Bool {
    switch record.phase {
    case .receiving:
      record.client.isAnswered()
      if let refusal = record.bodyRefusal ?? endBody(of: record) { return refuse(record, refusal) }
      // An upload that ends after the deadline: nobody would wait for its work.
      if hasGivenUp { return refuse(record, .draining) }
      switch handler.handle(HTTPRequest(record)) {
      case .respond(let response): return encodeAndAnswer(record, response)
      case .offload(let work):
        offload(record, work)
        return true
      case .later(let begin):
        record.phase = .suspended
        // First, because the answer may come before `begin` returns.
        suspend(record)
        begin(HTTPCompletion(record))
        return true
      case .stream(let reply): return stream(record, reply)
      }
    case .suspended:
      // Not kept: what begins a stream may hold the request, and another suspension brings another.
      let reply = record.reply
      record.reply = nil
      switch reply {
      case .whole(let response): return encodeAndAnswer(record, response)
      case .stream(let reply):
        return hasGivenUp ? refuse(record, .draining) : stream(record, reply)
      case nil: return false
      }
    case .answered:
      return false
    }
  }

  /// The response has been sent, or the connection is gone.
  func complete(_ record: RequestRecord) {
    activeRequests -= 1
    let stream = record.stream
    if stream != nil { streams[ObjectIdentifier(record)] = nil }
    if record.phase == .answered, let response = record.response {
      handler.completed(
        HTTPRequest(record), status: response.status,
        responseBytes: stream?.sent ?? (record.isHead ? 0 : response.body.count),
        duration: monotonicNanoseconds() - record.started)
    }
    record.client.waits()
    record.detach()
    stream?.close()
  }

  private func offload(_ record: RequestRecord, _ work: @escaping @Sendable () -> HTTPResponse) {
    record.phase = .suspended
    // First, because a worker may be faster than this function.
    suspend(record)
    workers.submit(
      WorkerPool.Item(
        run: {
          let loop = record.loop
          loop.finish(record, .whole(loop.encode(loop.completed(work(), record), for: record)))
        },
        refuse: { record.loop.finish(record, .whole(record.loop.refusal(record, $0))) }))
  }

  func refusal(_ record: RequestRecord, _ refusal: HTTPRefusal) -> HTTPResponse {
    refusal.applied(to: handler.refuse(refusal, HTTPRequest(record)))
  }

  private func refuse(
    _ record: RequestRecord, _ reason: HTTPRefusal, closes: Bool = false
  ) -> Bool {
    answer(record, completed(refusal(record, reason), record), closes: closes)
  }

  /// With what all responses have. Once for each, before it is packed.
  func completed(_ response: HTTPResponse, _ record: RequestRecord) -> HTTPResponse {
    var response = response
    handler.complete(&response, to: HTTPRequest(record))
    return response
  }

  func answer(
    _ record: RequestRecord, _ response: HTTPResponse, closes: Bool = false
  ) -> Bool {
    record.client.isAnswered()
    record.response = response
    record.phase = .answered
    // While draining, the client is told not to send another request on this connection.
    return record.connection.queueResponse(of: record, closes: closes || isDraining)
  }
}

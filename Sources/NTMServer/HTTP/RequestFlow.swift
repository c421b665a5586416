/// The way of one request through its event loop. All of it runs on the loop's thread; a result of
/// false means that the connection is dropped.
extension EventLoop {
  /// A record for a new request.
  func record(
    _ connection: MicroHTTPD.Connection, _ client: ConnectionRecord, method: UnsafePointer<CChar>,
    path: UnsafePointer<CChar>, needsHost: Bool
  ) -> RequestRecord {
    guard let record = spareRecords.popLast() else {
      return RequestRecord(
        connection: connection, client: client, method: method, path: path, needsHost: needsHost,
        loop: self)
    }
    record.begin(
      connection: connection, client: client, method: method, path: path, needsHost: needsHost)
    return record
  }

  /// Records that are kept for requests to come.
  private static let mostSpareRecords = 256

  /// Takes back the record of a request that is over, unless somebody still holds it.
  ///
  /// - Parameter retained: by the caller, who lets go of it
  func useAgain(_ retained: Unmanaged<RequestRecord>) {
    var record = retained.takeRetainedValue()
    guard isKnownUniquelyReferenced(&record), spareRecords.count < Self.mostSpareRecords else {
      return
    }
    record.forget()
    spareRecords.append(record)
  }

  /// The headers are here. A response now closes the connection, as the body is never read.
  func begin(_ record: RequestRecord) -> Bool {
    activeRequests += 1
    activity &+= 1
    let head = record.client.head
    record.readHead(head)
    if let refusal = headRefusal(record) { return refuse(record, refusal, closes: true) }
    let isChunked = head[.transferEncoding] != nil
    let length = head[.contentLength].map(Self.contentLength)
    guard isChunked || (length ?? 0) > 0 else { return true }
    if let response = handler.admit(HTTPRequest(record)) {
      return answer(record, completed(response, record), closes: true)
    }
    record.client.receivesBody(of: record)
    guard let refusal = expectBody(of: record, length: length) else { return true }
    return refuse(record, refusal, closes: true)
  }

  /// libmicrohttpd has refused what is not a number. What is too long for one is longer than any
  /// limit.
  private static func contentLength(_ text: UnsafeRawBufferPointer) -> UInt64 {
    UInt64(String(decoding: text, as: UTF8.self)) ?? .max
  }

  /// The request is complete, or its work is.
  func proceed(_ record: RequestRecord) -> Bool {
    activity &+= 1
    switch record.phase {
    case .receiving:
      record.client.isAnswered()
      if record.bodyRefusal == nil, finishBody(record) { return true }
      return handle(record)
    case .finishing: return handle(record)
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

  /// The body is complete.
  private func handle(_ record: RequestRecord) -> Bool {
    if let refusal = record.bodyRefusal { return refuse(record, refusal) }
    // The upload ended after the deadline.
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
  }

  /// The response has been sent, or the connection is gone.
  func complete(_ record: RequestRecord) {
    activeRequests -= 1
    activity &+= 1
    let stream = record.stream
    if stream != nil { streams[ObjectIdentifier(record)] = nil }
    if record.phase == .answered {
      let sent = stream?.sent ?? (record.isHead ? 0 : record.responseBody.count)
      let duration = monotonicNanoseconds() - record.started
      handler.completed(
        HTTPRequest(record), status: record.status, responseBytes: sent, duration: duration)
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
  func completed(_ response: consuming HTTPResponse, _ record: RequestRecord) -> HTTPResponse {
    handler.complete(&response, to: HTTPRequest(record))
    return response
  }

  func answer(
    _ record: RequestRecord, _ response: consuming HTTPResponse, closes: Bool = false
  ) -> Bool {
    record.client.isAnswered()
    record.phase = .answered
    record.status = response.status
    record.responseBody = response.body
    // While draining, the client is told not to send another request on this connection.
    return record.connection.queue(response, of: record, closes: closes || isDraining)
  }
}

/// An answer of either kind.
enum HTTPReply: Sendable {
  case whole(HTTPResponse)
  case stream(HTTPStreamReply)
}

/// The duty to answer one request whose handler gave `.later`. From any thread; it may be handed on
/// and kept for as long as the answer takes.
///
/// The request may be used until the answer is given. A handle that goes away without an answer
/// answers 500, so that no client waits for ever.
final class HTTPCompletion: Sendable {
  /// Called once; without a reply where there will be none. Nil from then on.
  private let answer: Lock<(@Sendable (HTTPReply?) -> Void)?>

  /// - Parameter answer: receives the reply, on whatever thread gives it; nil where the handle went
  ///   away without one
  init(_ answer: @escaping @Sendable (HTTPReply?) -> Void) {
    self.answer = Lock(answer)
  }

  /// For a request of a live connection, which is suspended already.
  convenience init(_ record: RequestRecord) {
    // Held, because a record does not hold its loop: the loop is woken when the request may already
    // be over, and the server with it.
    let loop = record.loop
    self.init { reply in
      loop.finish(record, reply ?? .whole(loop.refusal(record, .unanswered)))
    }
  }

  deinit {
    if let answer = take() { answer(nil) }
  }

  /// Answers the request. Called once, later or at once.
  func finish(_ response: HTTPResponse) {
    finish(.whole(response))
  }

  /// Answers the request with a stream, which begins on the event loop. Instead of the other
  /// `finish`.
  func finish(_ reply: HTTPStreamReply) {
    finish(.stream(reply))
  }

  private func finish(_ reply: HTTPReply) {
    guard let answer = take() else { preconditionFailure("a request was answered twice") }
    answer(reply)
  }

  private func take() -> (@Sendable (HTTPReply?) -> Void)? {
    answer.withLock { answer in
      defer { answer = nil }
      return answer
    }
  }
}

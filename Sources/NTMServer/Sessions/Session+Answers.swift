extension Session {
  /// Where work on a session is done.
  enum Place {
    /// On the event loop, unless the session is in use: cheap work.
    case loop
    /// On a worker: what would hold up other connections of the loop.
    case worker
  }

  /// Answers a request by work that has the session to itself.
  ///
  /// - Parameter claim: of the request's key, if it has one
  /// - Throws: `Problem` where the work was done at once and failed.
  func run(
    _ purpose: Turns.Purpose = .change, on place: Place = .loop, _ claim: KeyClaim? = nil,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> HTTPOutcome {
    if case .loop = place, let outcome = try runIfFree(purpose, claim, work) { return outcome }
    return .later { self.answer($0, purpose, claim, work) }
  }

  /// As `run`, at once or not at all: nil where the session is in use or not in memory. It makes
  /// nothing that would have to be freed, which steps by the thousand per second notice.
  func runIfFree(
    _ purpose: Turns.Purpose, _ claim: KeyClaim?,
    _ work: (inout Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> HTTPOutcome? {
    let answer = try useIfFree(purpose) { content throws(Problem) in
      keep(claim, try work(&content), &content)
    }
    guard let answer else { return nil }
    return acknowledged(answer)
  }

  /// As `run` with `.look`, by work that makes another session, whose answer waits for that.
  func fork(
    on place: Place,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPOutcome
  ) throws(Problem) -> HTTPOutcome {
    if case .loop = place, let outcome = try useIfFree(.look, work) { return outcome }
    return .later { completion in
      completion.refusing { () throws(Problem) in
        try self.whenFree(.look) { turn in
          completion.perform { () throws(Problem) in try turn.use(work) }
        }
      }
    }
  }

  /// As `run`, on a worker when it is the request's turn.
  func answer(
    _ completion: HTTPCompletion, _ purpose: Turns.Purpose = .change, _ claim: KeyClaim?,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) {
    completion.refusing { () throws(Problem) in
      try whenFree(purpose) { turn in
        completion.perform(isAdmitted: turn.hasWaited) {
          completion.refusing { () throws(Problem) in
            self.acknowledge(
              completion,
              try turn.use { content throws(Problem) in
                self.keep(claim, try work(&content), &content)
              })
          }
        }
      }
    }
  }

  /// Ends the session when nobody uses it.
  func delete(
    answering response: HTTPResponse = HTTPResponse(status: 204)
  ) throws(Problem) -> HTTPOutcome {
    if turns.withLock({ $0.take(.look) }) {
      defer { passTurn() }
      return acknowledged(Answer(response, try end(.deleted)))
    }
    return .later { completion in
      completion.refusing { () throws(Problem) in
        try self.whenFree(.look) { _ in
          completion.refusing { () throws(Problem) in
            self.acknowledge(completion, Answer(response, try self.end(.deleted)))
          }
        }
      }
    }
  }

  /// Keeps a response for a client that repeats its request, with what it changes.
  private func keep(
    _ claim: KeyClaim?, _ response: consuming HTTPResponse, _ content: inout Content
  ) -> Answer {
    if let claim {
      content.change.replies.append(claim.reply(response, AppliedSteps(id, step: content.step)))
    }
    return Answer(response, content.epoch)
  }

  // MARK: Acknowledgement

  /// An answer to a request that may have changed the session, and when it did.
  struct Answer: Sendable {
    let response: HTTPResponse
    let epoch: Unsaved.Epoch

    init(_ response: HTTPResponse, _ epoch: Unsaved.Epoch) {
      self.response = response
      self.epoch = epoch
    }
  }

  /// Answers at once, or when what has changed is saved.
  func acknowledged(_ answer: consuming Answer) -> HTTPOutcome {
    guard journal.mustWait else { return .respond(answer.response) }
    let answer = consume answer
    return .later { self.acknowledge($0, answer) }
  }

  func acknowledge(_ completion: HTTPCompletion, _ answer: Answer) {
    whenSaved(answer.epoch) { completion.finish($0?.response ?? answer.response) }
  }

  /// Calls `then` when what has changed up to now may be told of, with a problem where it was taken
  /// back.
  ///
  /// - Parameter epoch: when it was changed
  func whenSaved(_ epoch: Unsaved.Epoch, _ then: @escaping @Sendable (Problem?) -> Void) {
    guard journal.mustWait else { return then(nil) }
    journal.whenSaved(self, epoch, then)
  }
}

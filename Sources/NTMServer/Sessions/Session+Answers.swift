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
    if case .loop = place, let answer = try answerIfFree(purpose, claim, work) {
      return purpose == .look ? shown(answer, work) : acknowledged(answer, claim)
    }
    return .later { self.answer($0, purpose, claim, work) }
  }

  /// As `run`, at once or not at all: nil where the session is in use or not in memory. It makes
  /// nothing that would have to be freed, which steps by the thousand per second notice.
  func runIfFree(
    _ purpose: Turns.Purpose, _ claim: KeyClaim?,
    _ work: (inout Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> HTTPOutcome? {
    guard let answer = try answerIfFree(purpose, claim, work) else { return nil }
    return acknowledged(answer, claim)
  }

  private func answerIfFree(
    _ purpose: Turns.Purpose, _ claim: KeyClaim?,
    _ work: (inout Content) throws(Problem) -> HTTPResponse
  ) throws(Problem) -> Answer? {
    try useIfFree(purpose) { content throws(Problem) in
      keep(claim, try work(&content), &content)
    }
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
            let answer = try turn.use { content throws(Problem) in
              self.keep(claim, try work(&content), &content)
            }
            if purpose == .look {
              self.show(completion, answer, work)
            } else {
              self.acknowledge(completion, answer, claim)
            }
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
      return acknowledged(Answer(response, try end(.deleted), step: nil), nil)
    }
    return .later { completion in
      completion.refusing { () throws(Problem) in
        try self.whenFree(.look) { _ in
          completion.refusing { () throws(Problem) in
            self.acknowledge(
              completion, Answer(response, try self.end(.deleted), step: nil), nil)
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
    return Answer(response, content.epoch, step: content.step)
  }

  // MARK: Acknowledgement

  /// An answer to a request that may have changed the session, and when it did.
  struct Answer: Sendable {
    let response: HTTPResponse
    let epoch: Unsaved.Epoch
    /// The session's step after the change; nil if it has ended.
    let step: Int?

    init(_ response: HTTPResponse, _ epoch: Unsaved.Epoch, step: Int?) {
      self.response = response
      self.epoch = epoch
      self.step = step
    }
  }

  /// Answers at once, or when the outcome of the change is known: see `SaveOutcome`.
  func acknowledged(_ answer: consuming Answer, _ claim: KeyClaim?) -> HTTPOutcome {
    guard journal.mustWait else { return .respond(answer.response) }
    let answer = consume answer
    return .later { self.acknowledge($0, answer, claim) }
  }

  func acknowledge(_ completion: HTTPCompletion, _ answer: Answer, _ claim: KeyClaim?) {
    whenSaved(answer.epoch) { outcome in
      switch outcome {
      case .saved, .kept: completion.finish(answer.response)
      case .withdrawn(let problem): completion.finish(problem.response)
      case .overdue:
        claim?.hold()
        completion.finish(Problem.unconfirmed(self.id, step: answer.step).response)
      case .settled(let isSaved): claim?.settle(isSaved ? answer.response : nil)
      }
    }
  }

  /// Reports the outcome of all changes up to now.
  ///
  /// - Parameter epoch: in which they were made
  func whenSaved(_ epoch: Unsaved.Epoch, _ report: @escaping @Sendable (SaveOutcome) -> Void) {
    guard journal.mustWait else { return report(.saved) }
    journal.whenSaved(self, epoch, report)
  }

  // MARK: Reads

  private func shown(
    _ answer: Answer, _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) -> HTTPOutcome {
    guard journal.readsWait else { return .respond(answer.response) }
    return .later { self.show($0, answer, work) }
  }

  /// Answers a read. If the changes that it shows are withdrawn, the session is read again.
  private func show(
    _ completion: HTTPCompletion, _ answer: Answer,
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) {
    guard journal.readsWait else { return completion.finish(answer.response) }
    journal.whenSaved(self, answer.epoch) { outcome in
      switch outcome {
      case .saved, .kept, .overdue: completion.finish(answer.response)
      case .withdrawn(let problem) where problem.kind == .damagedSession:
        completion.finish(problem.response)
      case .withdrawn: self.answer(completion, .look, nil, work)
      case .settled: break
      }
    }
  }

  // MARK: Repeats

  /// Answers a request again that was carried out before, also while nothing can be saved.
  ///
  /// - Parameter work: must change nothing
  func repeated(
    _ work: @escaping @Sendable (inout Content) throws(Problem) -> HTTPResponse
  ) -> HTTPOutcome {
    .later { completion in
      completion.refusing { () throws(Problem) in
        try self.whenFree(.look) { turn in
          completion.perform(isAdmitted: turn.hasWaited) {
            completion.refusing { () throws(Problem) in
              let answer = try turn.use { content throws(Problem) in
                self.keep(nil, try work(&content), &content)
              }
              self.acknowledge(completion, answer, nil)
            }
          }
        }
      }
    }
  }
}

/// `POST /step`: steps of many sessions in one request. Each has a result or a problem of its own,
/// in order; one that is refused does not keep the others from being taken.
struct ManySteps: Sendable {
  struct Item: Sendable {
    let session: Session
    let request: StepRequest
  }

  /// In the order of the request.
  let items: [Result<Item, Problem>]
  private let requestID: String

  /// Bytes of a problem, apart from its detail.
  private static let largestProblem = 512 + 2 * RequestID.longest

  /// Bytes of memory that the inputs take, about.
  var memory: Int {
    items.reduce(0) { $0 + ((try? $1.get())?.request.inputs.memory ?? 0) }
  }

  /// - Parameters:
  ///   - requestID: the request's name
  ///   - maxReply: bytes of the longest reply
  /// - Throws: `Problem` 400 if the body is not a list of steps, 422 if the reply may be too long. An
  ///   error in one of the steps is the result of that step.
  init(
    _ body: [UInt8], _ sessions: SessionTable, fields standard: StepFields, requestID: String,
    maxReply: Int
  ) throws(Problem) {
    let body = try JSONValue(body: body).fields(["steps"] + StepFields.names)
    guard let steps = body["steps"] else {
      throw Problem(.malformedRequest, "the body has no \"steps\"")
    }
    let fields = try standard.changed(by: body)
    var items: [Result<Item, Problem>] = []
    var bytes = 0
    for (index, step) in try steps.list("steps").enumerated() {
      let item = Self.item(step, index, fields, sessions)
      bytes += Self.largestReply(to: item)
      // Before there are more items than can be answered: a problem takes more memory than its JSON.
      guard bytes <= maxReply else {
        throw Problem(
          .tooMuch,
          "the results of these steps may be longer than \(maxReply) bytes: send fewer at once, or ask "
            + "for less by \"return\"")
      }
      items.append(item)
    }
    self.items = items
    self.requestID = requestID
  }

  /// Bytes of the longest reply to a step. One that is refused has an answer, too.
  private static func largestReply(to item: Result<Item, Problem>) -> Int {
    switch item {
    case .success(let item):
      largestProblem
        + item.request.inputs.count * item.request.fields.largestResult(of: item.session.model)
    case .failure(let problem): largestProblem + problem.detail.utf8.count
    }
  }

  /// A problem as a step's result.
  private func body(of problem: Problem) -> [UInt8] { problem.body(for: requestID) }

  private static func item(
    _ step: JSONValue, _ index: Int, _ fields: StepFields, _ sessions: SessionTable
  ) -> Result<Item, Problem> {
    Result { () throws(Problem) in
      let body = try step.fields(["session"] + StepRequest.names, of: "steps[\(index)]")
      guard let id = body["session"] else {
        throw Problem(.malformedRequest, "steps[\(index)] has no \"session\"")
      }
      let session = try sessions.find(id.string("steps[\(index)].session"))
      return Item(
        session: session, request: try StepRequest(body, for: session.model, fields: fields))
    }
  }
}

extension ManySteps {
  /// How far such a request has come.
  struct Progress: Sendable {
    private let steps: ManySteps
    private let claim: KeyClaim?
    /// Results so far, and the sessions that have taken their steps.
    private var results: [Part] = []

    private struct Part {
      let body: [UInt8]
      /// Whether an earlier server has taken the step for this request.
      var isReplayed = false
      /// The session that was changed, when, and its step after that.
      var change: (session: Session, epoch: Unsaved.Epoch, step: Int?)?
    }

    init(_ steps: ManySteps, _ claim: KeyClaim?) {
      self.steps = steps
      self.claim = claim
    }

    /// The step that comes next, by its index. What was taken for this request already, before the
    /// server was started, has its result.
    mutating func next() -> (index: Int, item: Result<Item, Problem>)? {
      while let claim, let reply = claim.parts[results.count] {
        let body =
          reply.response.status == KeyedReply.forgotten.status
          ? steps.body(of: .replyForgotten(reply.applied)) : reply.response.body
        results.append(Part(body: body, isReplayed: true))
      }
      return results.count < steps.items.count ? (results.count, steps.items[results.count]) : nil
    }

    /// A step that comes later, where it can be taken together with others: nil where it is more than
    /// one, or has a result already.
    func single(_ index: Int) -> Item? {
      guard index < steps.items.count, claim?.parts[index] == nil,
        case .success(let item) = steps.items[index], item.request.inputs.count == 1
      else { return nil }
      return item
    }

    /// The answer to a step, which is kept for a client that repeats its request.
    func answer(
      _ response: HTTPResponse, to index: Int, of session: Session,
      in content: inout Session.Content
    ) -> Session.Answer {
      if let claim {
        let applied = AppliedSteps(session.id, step: content.step)
        content.change.replies.append(claim.reply(response, applied, part: index))
      }
      return Session.Answer(response, content.epoch, step: content.step)
    }

    mutating func add(_ answer: Result<Session.Answer, Problem>, of session: Session) {
      switch answer {
      case .success(let answer):
        results.append(
          Part(body: answer.response.body, change: (session, answer.epoch, answer.step)))
      case .failure(let problem): add(problem)
      }
    }

    mutating func add(_ problem: Problem) {
      results.append(Part(body: steps.body(of: problem)))
    }

    private var response: HTTPResponse {
      let list = results.map(\.body).joined(separator: Array(",".utf8))
      return .json(bytes: Array("{\"steps\":[".utf8) + list + Array("]}".utf8))
    }

    /// What was taken before the server stopped.
    var refused: HTTPResponse {
      var progress = self
      let problem = Problem(.stopping, "the server is stopping; this step was not taken")
      while progress.results.count < steps.items.count { progress.add(problem) }
      return progress.response
    }

    /// Has the whole reply kept in place of its parts.
    private func keep() -> HTTPResponse {
      var response = response
      if let claim {
        let applied = results.indices.filter {
          results[$0].isReplayed || results[$0].change != nil
        }
        let reply = claim.reply(response, claim.applied(applied))
        if let session = results.lazy.compactMap({ $0.change?.session }).first {
          session.journal.note(session, UnsavedChange(replies: [reply]))
        }
        if results.allSatisfy(\.isReplayed) { response.headers.append(HTTPResponse.replayedHeader) }
      }
      return response
    }

    /// Answers when the outcome of each step is known, or has been waited for long enough. A step that
    /// was withdrawn has a problem in place of its result, and so has one whose outcome is not known.
    func finish(_ completion: HTTPCompletion) {
      let changes = results.enumerated().compactMap { index, result in
        result.change.map { (index: index, change: $0) }
      }
      guard !changes.isEmpty else { return completion.finish(keep()) }
      let pending = Monitor(Pending(progress: self, count: changes.count))
      for (index, change) in changes {
        change.session.whenSaved(change.epoch) { outcome in
          let ended = pending.withLock {
            $0.note(outcome, of: index, change.session.id, change.step)
          }
          switch ended {
          case .nothing: break
          case .all(let progress): completion.finish(progress.keep())
          case .answers(let progress):
            claim?.hold()
            completion.finish(progress.response)
          case .settlements(let progress): claim?.settle(progress.keep())
          }
        }
      }
    }

    /// The steps whose outcome is not known yet.
    private struct Pending {
      /// With the final results.
      var progress: Progress
      /// Problems that are answered in place of results that are not final.
      var unconfirmed: [Int: [UInt8]] = [:]
      /// Steps that have neither an outcome nor waited long enough.
      var waiting: Int
      /// Steps that have no final outcome.
      var unsettled: Int

      init(progress: Progress, count: Int) {
        self.progress = progress
        waiting = count
        unsettled = count
      }

      enum Ended {
        case nothing
        /// All outcomes are known, and the request is not answered yet.
        case all(Progress)
        /// The request is to be answered, and some outcomes are not known.
        case answers(Progress)
        /// All outcomes are known, and the request was answered before.
        case settlements(Progress)
      }

      mutating func note(
        _ outcome: SaveOutcome, of index: Int, _ session: String, _ step: Int?
      ) -> Ended {
        switch outcome {
        case .saved, .kept: unsettled -= 1
        case .withdrawn(let problem):
          unsettled -= 1
          progress.results[index] = Part(body: progress.steps.body(of: problem))
        case .overdue:
          unconfirmed[index] = progress.steps.body(of: .unconfirmed(session, step: step))
        case .settled(let isSaved):
          unsettled -= 1
          unconfirmed[index] = nil
          if !isSaved {
            progress.results[index] = Part(body: progress.steps.body(of: .notSaved(nil)))
          }
        }
        if case .settled = outcome {
          return unsettled == 0 && waiting == 0 ? .settlements(progress) : .nothing
        }
        waiting -= 1
        guard waiting == 0 else { return .nothing }
        guard unsettled > 0 else { return .all(progress) }
        var answered = progress
        for (index, body) in unconfirmed { answered.results[index] = Part(body: body) }
        return .answers(answered)
      }
    }
  }
}

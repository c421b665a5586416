import NTMModel

/// `POST /sessions/{id}/step`: one input or several, applied in order, all or none.
struct StepRoute: Sendable {
  let sessions: SessionTable
  /// Bytes of the longest reply.
  let maxReply: Int

  var routes: [Router.Route] {
    [
      Router.Route("POST", "/sessions/{id}/step", body: .wholeOrLines, takesKey: true, step),
      Router.Route("POST", "/step", body: .whole, takesKey: true, many),
    ]
  }

  private func step(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let request = context.request
    let session = try sessions.find(context)
    let fields = try StepFields(query: request)
    if MediaType.isJSONLines(request) { return try stream(request, session, fields) }
    let form = try MediaType.preferred(of: [.json, .csv], for: request)
    let body = request.body
    guard body.count <= Router.smallBody else {
      // On a worker already.
      let (steps, _) = try read(body, form, fields, for: session.model)
      request.forgetBody(keeping: steps.inputs.memory)
      return repeated(steps, form, session) ?? later(steps, form, session, context.claim)
    }
    // All threads that step the model would count the same references to it. The session has it.
    let outcome = Unmanaged.passUnretained(session.model)._withUnsafeGuaranteedRef { model in
      Result { () throws(Problem) in
        guard model.isCheap(steps: 1, resultBytes: 0) else {
          return later(
            try read(body, form, fields, for: model).0, form, session, context.claim)
        }
        return try step(context, body, form, fields, session, model)
      }
    }
    return try outcome.get()
  }

  /// Steps at once if all of them are cheap and the session is free. It takes a room without
  /// `withRoom`, whose closure would count references to all that it uses.
  private func step(
    _ context: Router.Context, _ body: [UInt8], _ form: MediaType, _ fields: StepFields,
    _ session: Session, _ model: ServedModel
  ) throws(Problem) -> HTTPOutcome {
    let room = try model.takeRoom()
    defer { model.putBack(room) }
    let (steps, largestResult) = try read(body, form, fields, for: model, reusing: room.takeInput())
    if let repeated = repeated(steps, form, session) { return repeated }
    if model.isCheap(
      steps: steps.inputs.count, resultBytes: largestResult + session.events.stepCost),
      let outcome = try session.runIfFree(
        .change, context.claim,
        { content throws(Problem) in
          try apply(steps, form, to: session, &content, room, context.request.emptyBody())
        })
    {
      return outcome
    }
    return later(steps, form, session, context.claim)
  }

  /// Takes the steps when it is the request's turn. By itself, because what a closure holds for later is
  /// counted even where it comes to nothing.
  private func later(
    _ steps: StepRequest, _ form: MediaType, _ session: Session, _ claim: KeyClaim?
  ) -> HTTPOutcome {
    if let repeated = repeated(steps, form, session) { return repeated }
    return .later { completion in
      session.answer(completion, .change, claim) { content throws(Problem) in
        try apply(steps, form, to: session, &content)
      }
    }
  }

  /// While nothing can be saved, the reply to the last numbered steps is still given again.
  ///
  /// - Returns: nil if the store works, or if the steps have no number
  private func repeated(
    _ steps: StepRequest, _ form: MediaType, _ session: Session
  ) -> HTTPOutcome? {
    guard session.journal.isFailing, let firstStep = steps.firstStep else { return nil }
    return session.repeated { content throws(Problem) in
      if let reply = try content.replay(firstStep, steps.fingerprint(form), form) { return reply }
      try session.journal.checkWritable()
      throw .notSaved(nil)
    }
  }

  /// - Parameter spare: an array whose room is used for an input
  /// - Returns: the request, and bytes that one of its results has at most
  private func read(
    _ body: [UInt8], _ form: MediaType, _ fields: StepFields, for model: ServedModel,
    reusing spare: consuming [Float] = []
  ) throws(Problem) -> (StepRequest, largestResult: Int) {
    let request = try StepRequest(body, for: model, fields: fields, reusing: spare)
    let largest = request.fields.largestResult(of: model)
    let most = max(1, maxReply / largest)
    guard request.inputs.count <= most else {
      throw Problem(
        .tooMuch,
        "the results of \(request.inputs.count) inputs may be longer than \(maxReply) bytes: send at "
          + "most \(most) at once, ask for less by \"return\", or send a stream "
          + "(\(MediaType.jsonLines.rawValue))",
        fields: ["expected": .number(most), "got": .number(request.inputs.count)])
    }
    return (request, largest)
  }

  // MARK: Streams

  private func stream(
    _ request: HTTPRequest, _ session: Session, _ fields: StepFields
  ) throws(Problem) -> HTTPOutcome {
    guard try IdempotencyStore.key(of: request) == nil else {
      throw Problem(
        .malformedRequest,
        "a stream takes no Idempotency-Key, because its results are not kept: number its lines by "
          + "\"step\" instead")
    }
    let type = try MediaType.preferred(of: [.jsonLines, .eventStream, .csv], for: request)
    let stream = StepStream(session, request, fields, type) {
      sessions.forgetReply(&$0)
    }
    return .later { completion in
      completion.perform { stream.begin(completion) }
    }
  }

  // MARK: Many sessions

  private func many(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let request = context.request
    let body = request.body
    let fields = try StepFields(query: request)
    let id = request.id
    return .later { completion in
      completion.perform {
        completion.refusing { () throws(Problem) in
          let steps = try ManySteps(
            body, sessions, fields: fields, requestID: id, maxReply: maxReply)
          request.forgetBody(keeping: steps.memory)
          take(ManySteps.Progress(steps, context.claim), completion)
        }
      }
    }
  }

  /// Takes the steps in order, on a worker: those together that can be. Where a session is in use,
  /// the rest waits for it without the worker.
  private func take(_ progress: ManySteps.Progress, _ completion: HTTPCompletion) {
    var progress = progress
    while let (index, item) = progress.next() {
      do throws(Problem) {
        let item = try item.get()
        let answers = takeTogether(progress, from: index, item)
        for (session, answer) in answers { progress.add(answer, of: session) }
        if !answers.isEmpty { continue }
        let before = progress
        try item.session.whenFree { turn in
          completion.perform(isAdmitted: true) { _ in
            completion.finish(before.refused)
          } _: {
            var progress = before
            do throws(Problem) {
              let answer = try turn.use { content throws(Problem) in
                before.answer(
                  try apply(item.request, .json, to: item.session, &content), to: index,
                  of: item.session, in: &content)
              }
              progress.add(.success(answer), of: item.session)
            } catch {
              progress.add(error)
            }
            take(progress, completion)
          }
        }
        return
      } catch {
        progress.add(error)
      }
    }
    progress.finish(completion)
  }

  /// Takes a step, together with as many of those after it as are one step of another session of the
  /// same model.
  ///
  /// - Returns: in the order of the steps; empty where the first one's session is in use
  private func takeTogether(
    _ progress: ManySteps.Progress, from first: Int, _ item: ManySteps.Item
  ) -> [(Session, Result<Session.Answer, Problem>)] {
    var sessions: [Session] = []
    var answers: [Int: Result<Session.Answer, Problem>] = [:]

    /// - Returns: whether the session was free
    func take(_ item: ManySteps.Item, in group: StepGroup?) -> Bool {
      let index = first + sessions.count
      sessions.append(item.session)
      let answer = Result { () throws(Problem) in
        try item.session.useIfFree { content throws(Problem) in
          progress.answer(
            try apply(item.request, .json, to: item.session, &content, in: group), to: index,
            of: item.session, in: &content)
        }
      }
      switch answer {
      case .success(nil):
        sessions.removeLast()
        return false
      case .success(let answer?): answers[index] = .success(answer)
      case .failure(let problem): answers[index] = .failure(problem)
      }
      return true
    }

    if progress.single(first) == nil {
      _ = take(item, in: nil)
    } else {
      let group = StepGroup(item.session.model) { group in
        while !group.isTaken, let next = progress.single(first + sessions.count),
          next.session.model === group.served, !sessions.contains(where: { $0 === next.session })
        {
          guard take(next, in: group) else { return }
        }
      }
      _ = take(item, in: group)
    }
    return sessions.enumerated().map { offset, session in
      guard let answer = answers[first + offset] else {
        preconditionFailure("a step has no answer")
      }
      return (session, answer)
    }
  }

  // MARK: One request, one session

  /// As the other `apply`, in a room of the model's.
  private func apply(
    _ request: StepRequest, _ form: MediaType, to session: Session,
    _ content: inout Session.Content, in group: StepGroup? = nil
  ) throws(Problem) -> HTTPResponse {
    try session.model.withRoom { room throws(Problem) in
      try apply(request, form, to: session, &content, room, in: group)
    }
  }

  /// Takes the steps and writes down what they gave. Where one is refused, the session is as it was
  /// before the first. Steps that were just taken and are asked for again are not taken again.
  ///
  /// - Parameters:
  ///   - body: an empty one for the reply
  ///   - group: of sessions that take a step together; nil for this one alone
  private func apply(
    _ request: StepRequest, _ form: MediaType, to session: Session,
    _ content: inout Session.Content, _ room: StepRoom, _ body: consuming [UInt8] = [],
    in group: StepGroup? = nil
  ) throws(Problem) -> HTTPResponse {
    guard let firstStep = request.firstStep else {
      let response = try applyOnce(request, form, to: session, &content, room, body, in: group)
      sessions.forgetReply(&content)
      return response
    }
    let fingerprint = request.fingerprint(form)
    if let reply = try content.replay(firstStep, fingerprint, form) { return reply }
    let response = try applyOnce(request, form, to: session, &content, room, body, in: group)
    keep(RepeatableReply(firstStep, request, form, response), in: &content)
    content.change.request = RequestMark(
      firstStep: firstStep, isList: request.inputs.isList, fields: request.fields, form: form)
    return response
  }

  private func keep(_ reply: RepeatableReply, in content: inout Session.Content) {
    guard !sessions.keep(reply, in: &content) else { return }
    content.lastReply = RepeatableReply(
      firstStep: reply.firstStep, fingerprint: reply.fingerprint, body: nil)
  }

  private func applyOnce(
    _ request: StepRequest, _ form: MediaType, to session: Session,
    _ content: inout Session.Content, _ room: StepRoom, _ body: consuming [UInt8],
    in group: StepGroup?
  ) throws(Problem) -> HTTPResponse {
    var reply = try StepReply(request, form, session, room)
    var record = session.stepRecord()
    try session.model.take(
      request.inputs, request.inputs.isList ? "inputs" : nil, &content, room, &record, in: group
    ) { _, content in reply.add(content, room) }
    session.took(request.inputs, &content, record)
    return reply.response(room, in: body)
  }
}

extension Session.Content {
  /// The reply to steps that were taken already, nil where they are the next ones.
  ///
  /// - Throws: `Problem` 409 that says where the session is.
  fileprivate func replay(
    _ firstStep: Int, _ fingerprint: Fingerprint, _ form: MediaType
  ) throws(Problem) -> HTTPResponse? {
    guard firstStep != step + 1, let last = lastReply, last.firstStep == firstStep else {
      try check(firstStep)
      return nil
    }
    guard last.fingerprint == fingerprint else {
      throw wrongStep(
        firstStep, "step \(firstStep) with another input, \"return\" or form of the reply")
    }
    guard let body = last.body else {
      throw wrongStep(
        firstStep, "step \(firstStep) by this request; its reply was too long to be kept")
    }
    return HTTPResponse(stepsAs: form, body, headers: [("Idempotent-Replayed", "true")])
  }

  /// - Parameter step: the number that the next step is expected to have; nil where that is open
  /// - Throws: `Problem` 409 that says where the session is.
  func check(_ step: Int?) throws(Problem) {
    guard let step, step != self.step + 1 else { return }
    throw wrongStep(step, "the next is \(self.step + 1), not \(step)")
  }

  private func wrongStep(_ got: Int, _ reason: String) -> Problem {
    let taken = step == 1 ? "1 step" : "\(step) steps"
    return Problem(
      .wrongStep, "the session has taken \(taken): \(reason)",
      fields: ["step": .number(step), "expected": .number(step + 1), "got": .number(got)])
  }
}

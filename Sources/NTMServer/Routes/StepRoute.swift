import NTMModel

/// `POST /sessions/{id}/step`: one input or several, applied in order, all or none.
struct StepRoute: Sendable {
  let sessions: SessionTable
  /// Bytes of the longest reply.
  let maxReply: Int

  /// Bytes of a problem, apart from what a request said in its body.
  private static let largestProblem = 512 + 2 * RequestID.longest

  /// Bytes of a body that are read in less than about a millisecond.
  private static let smallBody = 16 << 10

  var routes: [Router.Route] {
    [
      Router.Route("POST", "/sessions/{id}/step", takesKey: true, step),
      Router.Route("POST", "/step", takesKey: true, many),
    ]
  }

  private func step(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let request = context.request
    let session = try sessions.find(context.parameters[0])
    let fields = try StepFields(query: request) ?? .standard
    if MediaType.isJSONLines(request) { return try stream(request, session, fields) }
    let form = try MediaType.preferred(of: [.json, .csv], for: request)
    let body = request.body
    guard body.count <= Self.smallBody else {
      return .later { completion in
        completion.perform {
          completion.refusing { () throws(Problem) in
            let request = try read(body, form, fields, for: session)
            session.answer(completion) { content throws(Problem) in
              try apply(request, form, to: session, &content)
            }
          }
        }
      }
    }
    let steps = try read(body, form, fields, for: session)
    let isCheap = session.model.isCheap(
      steps: steps.inputs.count,
      resultBytes: writer(steps.fields, form, session).largestResult)
    return try session.run(on: isCheap ? .loop : .worker) { content throws(Problem) in
      try apply(steps, form, to: session, &content)
    }
  }

  private func read(
    _ body: [UInt8], _ form: MediaType, _ fields: StepFields, for session: Session
  ) throws(Problem) -> StepRequest {
    let request = try StepRequest(body, for: session.model, fields: fields)
    let largest = writer(request.fields, form, session).largestResult
    let most = max(1, maxReply / largest)
    guard request.inputs.count <= most else {
      throw Problem(
        .tooMuch,
        "the results of \(request.inputs.count) inputs may be longer than \(maxReply) bytes: send at "
          + "most \(most) at once, ask for less by \"return\", or send a stream "
          + "(\(MediaType.jsonLines.rawValue))",
        fields: ["expected": .number(most), "got": .number(request.inputs.count)])
    }
    return request
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
    let stream = StepStream(session, request, writer(fields, type, session), type) {
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
    let fields = try StepFields(query: request) ?? .standard
    let id = request.id
    return .later { completion in
      completion.perform {
        completion.refusing { () throws(Problem) in
          let steps = try ManySteps(body, sessions, fields: fields, requestID: id)
          try check(steps)
          take(steps, from: 0, Array("{\"steps\":[".utf8), completion)
        }
      }
    }
  }

  private func check(_ steps: ManySteps) throws(Problem) {
    var bytes = 0
    for item in steps.items {
      // A step that is refused has an answer too.
      bytes += Self.largestProblem
      switch item {
      case .success(let item):
        let largest = writer(item.request.fields, .json, item.session).largestResult
        bytes += item.request.inputs.count * largest
      case .failure(let problem): bytes += problem.detail.utf8.count
      }
    }
    guard bytes <= maxReply else {
      throw Problem(
        .tooMuch,
        "the results of these steps may be longer than \(maxReply) bytes: send fewer at once, or ask "
          + "for less by \"return\"")
    }
  }

  /// Takes the steps one by one, on a worker. Where a session is in use, the rest waits for it
  /// without the worker.
  ///
  /// - Parameter text: the reply so far
  private func take(
    _ steps: ManySteps, from start: Int, _ text: [UInt8], _ completion: HTTPCompletion
  ) {
    var text = text
    for index in start..<steps.items.count {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      do throws(Problem) {
        let item = try steps.items[index].get()
        let work: @Sendable (inout Session.Content) throws(Problem) -> HTTPResponse = {
          content throws(Problem) in try apply(item.request, .json, to: item.session, &content)
        }
        if let reply = try item.session.useIfFree(.change, work) {
          text += reply.body
          continue
        }
        let before = text
        try item.session.whenFree { turn in
          completion.perform(isAdmitted: true) { _ in
            refuse(steps, from: index, before, completion)
          } _: {
            let reply: [UInt8]
            do throws(Problem) {
              reply = try turn.use(work).body
            } catch {
              reply = steps.body(of: error)
            }
            take(steps, from: index + 1, before + reply, completion)
          }
        }
        return
      } catch {
        text += steps.body(of: error)
      }
    }
    completion.finish(.json(bytes: text + Array("]}".utf8)))
  }

  /// Answers with what was taken before the server stopped.
  private func refuse(
    _ steps: ManySteps, from index: Int, _ text: [UInt8], _ completion: HTTPCompletion
  ) {
    let problem = Problem(.stopping, "the server is stopping; this step was not taken")
    let rest = Array(repeating: steps.body(of: problem), count: steps.items.count - index)
    completion.finish(
      .json(bytes: text + rest.joined(separator: Array(",".utf8)) + Array("]}".utf8)))
  }

  // MARK: One request, one session

  private func writer(
    _ fields: StepFields, _ type: MediaType, _ session: Session
  ) -> StepResultWriter {
    StepResultWriter(
      model: session.model, session: session.id, fields: fields,
      form: StepResultWriter.Form(type))
  }

  /// Takes the steps and writes down what they gave. Where one is refused, the session is as it was
  /// before the first. Steps that were just taken and are asked for again are not taken again.
  private func apply(
    _ request: StepRequest, _ form: MediaType, to session: Session,
    _ content: inout Session.Content
  ) throws(Problem) -> HTTPResponse {
    guard let firstStep = request.firstStep else {
      let response = try applyOnce(request, form, to: session, &content)
      sessions.forgetReply(&content)
      return response
    }
    let fingerprint = request.fingerprint(form)
    if let reply = try content.replay(firstStep, fingerprint, form) { return reply }
    let response = try applyOnce(request, form, to: session, &content)
    keep(
      RepeatableReply(firstStep: firstStep, fingerprint: fingerprint, body: response.body),
      in: &content)
    return response
  }

  private func keep(_ reply: RepeatableReply, in content: inout Session.Content) {
    let old = content.lastReply?.bytes ?? 0
    content.lastReply = reply
    let fits = reply.bytes <= RepeatableReply.largestBody
    if sessions.exchange(old, for: fits ? reply.bytes : 0), fits { return }
    content.lastReply = RepeatableReply(
      firstStep: reply.firstStep, fingerprint: reply.fingerprint, body: nil)
  }

  private func applyOnce(
    _ request: StepRequest, _ form: MediaType, to session: Session,
    _ content: inout Session.Content
  ) throws(Problem) -> HTTPResponse {
    let writer = writer(request.fields, form, session)
    let isObject = request.isList && form == .json
    return try session.model.withRoom { room throws(Problem) in
      room.text.removeAll()
      if isObject { room.text.append("{\"steps\":[") }
      var record = session.record()
      try session.model.take(
        request.inputs, request.isList ? "inputs" : nil, &content, room, &record
      ) { index, content in
        if index > 0, isObject { room.text.append(UInt8(ascii: ",")) }
        writer.write(content, room)
      }
      session.events.publish(record)
      if isObject { room.text.append("]}") }
      return HTTPResponse(stepsAs: form, room.text.bytes)
    }
  }
}

extension HTTPResponse {
  /// Results of steps.
  fileprivate init(
    stepsAs form: MediaType, _ body: [UInt8], headers: [(name: String, value: String)] = []
  ) {
    let type = [(name: "Content-Type", value: form.rawValue), (name: "Vary", value: "Accept")]
    self.init(status: 200, headers: type + headers, body: body)
  }
}

extension StepResultWriter.Form {
  /// That of a reply.
  fileprivate init(_ type: MediaType) {
    self =
      switch type {
      case .jsonLines: .jsonLines
      case .eventStream: .eventStream
      case .csv: .csv
      case .json, .safeTensors: .json
      }
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

import NTMModel

/// `POST /sessions/{id}/step`: one input or several, applied in order, all or none.
struct StepRoute: Sendable {
  let sessions: SessionTable
  /// Bytes of the longest reply.
  let maxReply: Int

  /// Bytes of a body that are read in less than about a millisecond.
  private static let smallBody = 16 << 10

  var routes: [Router.Route] {
    [
      Router.Route("POST", "/sessions/{id}/step", takesKey: true, step),
      Router.Route("POST", "/step", takesKey: true, many),
    ]
  }

  private func step(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let session = try sessions.find(context.parameters[0])
    let body = context.request.body
    guard body.count <= Self.smallBody else {
      return .offloading({ () throws(Problem) in
        let request = try read(body, for: session)
        return try session.use { content throws(Problem) in
          try apply(request, to: session, &content)
        }
      })
    }
    let request = try read(body, for: session)
    let isCheap = session.model.isCheap(
      steps: request.inputs.count, resultBytes: writer(request.fields, session).largestResult)
    return try session.run(on: isCheap ? .loop : .worker) { content throws(Problem) in
      try apply(request, to: session, &content)
    }
  }

  private func read(_ body: [UInt8], for session: Session) throws(Problem) -> StepRequest {
    let request = try StepRequest(body, for: session.model)
    let writer = writer(request.fields, session)
    let most = maxReply / writer.largestResult
    guard request.inputs.count <= max(1, most) else {
      throw Problem(
        .tooMuch,
        "the results of \(request.inputs.count) inputs may be longer than \(maxReply) bytes: send at "
          + "most \(max(1, most)) at once, or ask for less by \"return\"",
        fields: ["expected": .number(max(1, most)), "got": .number(request.inputs.count)])
    }
    return request
  }

  private func many(_ context: Router.Context) throws(Problem) -> HTTPOutcome {
    let body = context.request.body
    let run: @Sendable () throws(Problem) -> HTTPResponse = { () throws(Problem) in
      try take(ManySteps(body, sessions))
    }
    return .offloading(run)
  }

  private func take(_ steps: ManySteps) throws(Problem) -> HTTPResponse {
    var bytes = 0
    for case .success(let item) in steps.items {
      bytes += item.request.inputs.count * writer(item.request.fields, item.session).largestResult
    }
    guard bytes <= maxReply else {
      throw Problem(
        .tooMuch,
        "the results of these steps may be longer than \(maxReply) bytes: send fewer at once, or ask "
          + "for less by \"return\"")
    }
    var text: [UInt8] = Array("{\"steps\":[".utf8)
    text.reserveCapacity(min(bytes, 1 << 20))
    for (index, item) in steps.items.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      do throws(Problem) {
        let item = try item.get()
        let reply = try item.session.use { content throws(Problem) in
          try apply(item.request, to: item.session, &content)
        }
        text += reply.body
      } catch {
        text += error.response.body
      }
    }
    text += Array("]}".utf8)
    return .json(bytes: text)
  }

  private func writer(_ fields: StepFields, _ session: Session) -> StepResultWriter {
    StepResultWriter(model: session.model, session: session.id, fields: fields)
  }

  /// Takes the steps and writes down what they gave. Where one is refused, the session is as it was
  /// before the first. Steps that were just taken and are asked for again are not taken again.
  private func apply(
    _ request: StepRequest, to session: Session, _ content: inout Session.Content
  ) throws(Problem) -> HTTPResponse {
    guard let firstStep = request.firstStep else {
      let response = try applyOnce(request, to: session, &content)
      keep(nil, in: &content)
      return response
    }
    let fingerprint = request.fingerprint
    if let reply = try content.replay(firstStep, fingerprint) { return reply }
    let response = try applyOnce(request, to: session, &content)
    keep(
      RepeatableReply(firstStep: firstStep, fingerprint: fingerprint, body: response.body),
      in: &content)
    return response
  }

  private func keep(_ reply: RepeatableReply?, in content: inout Session.Content) {
    let old = content.lastReply?.bytes ?? 0
    content.lastReply = reply
    let fits = (reply?.bytes ?? 0) <= RepeatableReply.largestBody
    if sessions.exchange(old, for: fits ? reply?.bytes ?? 0 : 0), fits { return }
    content.lastReply = reply.map {
      RepeatableReply(firstStep: $0.firstStep, fingerprint: $0.fingerprint, body: nil)
    }
  }

  private func applyOnce(
    _ request: StepRequest, to session: Session, _ content: inout Session.Content
  ) throws(Problem) -> HTTPResponse {
    let before =
      request.inputs.count > 1 ? try session.copy(content.state, for: "these steps") : nil
    let stepBefore = content.step
    do throws(Problem) {
      return try session.model.withRoom { room throws(Problem) in
        try take(request, session, &content, room)
      }
    } catch {
      if let before { content.state.assign(before) }
      content.step = stepBefore
      throw error
    }
  }

  private func take(
    _ request: StepRequest, _ session: Session, _ content: inout Session.Content, _ room: StepRoom
  ) throws(Problem) -> HTTPResponse {
    let writer = writer(request.fields, session)
    room.text.removeAll()
    if request.isList { room.text.append("{\"steps\":[") }
    for (index, input) in request.inputs.enumerated() {
      if index > 0 { room.text.append(UInt8(ascii: ",")) }
      do throws(Problem) {
        try session.model.step(input, &content, room, writer)
      } catch {
        throw request.isList ? Problem(error.kind, "inputs[\(index)]: \(error.detail)") : error
      }
    }
    if request.isList { room.text.append("]}") }
    return .json(bytes: room.text.bytes)
  }
}

extension Session.Content {
  /// The reply to steps that were taken already, nil where they are the next ones.
  ///
  /// - Throws: `Problem` 409 that says where the session is.
  fileprivate func replay(
    _ firstStep: Int, _ fingerprint: Fingerprint
  ) throws(Problem) -> HTTPResponse? {
    guard firstStep != step + 1 else { return nil }
    let place: [String: Problem.Field] = [
      "step": .number(step), "expected": .number(step + 1), "got": .number(firstStep),
    ]
    let taken = step == 1 ? "1 step" : "\(step) steps"
    guard let last = lastReply, last.firstStep == firstStep else {
      throw Problem(
        .wrongStep, "the session has taken \(taken): the next is \(step + 1), not \(firstStep)",
        fields: place)
    }
    guard last.fingerprint == fingerprint else {
      throw Problem(
        .wrongStep,
        "the session has taken \(taken), step \(firstStep) with another input or another \"return\"",
        fields: place)
    }
    guard let body = last.body else {
      throw Problem(
        .wrongStep,
        "the session has taken \(taken), step \(firstStep) by this request; its reply was too long to "
          + "be kept", fields: place)
    }
    return .json(bytes: body, headers: [("Idempotent-Replayed", "true")])
  }
}

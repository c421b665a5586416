import NTMModel

/// `POST /sessions/{id}/step`: one input or several, applied in order, all or none.
struct StepRoute: Sendable {
  let sessions: SessionTable
  /// Bytes of the longest reply.
  let maxReply: Int

  /// Bytes of a body that are read in less than about a millisecond.
  private static let smallBody = 16 << 10

  var routes: [Router.Route] {
    [Router.Route("POST", "/sessions/{id}/step", step)]
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

  private func writer(_ fields: StepFields, _ session: Session) -> StepResultWriter {
    StepResultWriter(model: session.model, session: session.id, fields: fields)
  }

  /// Takes the steps and writes down what they gave. Where one is refused, the session is as it was
  /// before the first.
  private func apply(
    _ request: StepRequest, to session: Session, _ content: inout Session.Content
  ) throws(Problem) -> HTTPResponse {
    let before = request.inputs.count > 1 ? try session.copy(content.state) : nil
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

extension Session {
  fileprivate func copy(_ state: borrowing State) throws(Problem) -> State {
    do {
      return try state.copy()
    } catch {
      throw Problem(.limitReached, "the machine has no memory for these steps: \(error)")
    }
  }
}

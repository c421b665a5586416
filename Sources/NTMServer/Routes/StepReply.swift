internal import NTMModel

/// Writes the reply to a request for steps into a room's text, step by step.
struct StepReply: ~Copyable {
  private let writer: StepResultWriter
  private let form: MediaType
  /// Whether the results stand in an object's list.
  private let isObject: Bool
  private var count = 0
  /// Of the text in the room and its copy.
  private let memory: MemoryReservation

  /// - Throws: `Problem` 503 if there is no memory for the reply.
  init(
    _ request: StepRequest, _ form: MediaType, _ session: Session, _ room: StepRoom
  ) throws(Problem) {
    memory = try ServedModel.reserve(
      reply: request.inputs.count * request.fields.largestResult(of: session.model))
    writer = StepResultWriter(session, request.fields, form)
    self.form = form
    isObject = request.inputs.isList && form == .json
    room.text.removeAll()
    if isObject { room.text.append("{\"steps\":[") }
  }

  /// Adds the step that the room was just used for.
  mutating func add(_ content: borrowing Session.Content, _ room: StepRoom) {
    if count > 0, isObject { room.text.append(UInt8(ascii: ",")) }
    count += 1
    writer.write(content, room)
  }

  /// - Parameter body: an empty one, whose room is used
  func response(_ room: StepRoom, in body: consuming [UInt8] = []) -> HTTPResponse {
    if isObject { room.text.append("]}") }
    room.text.copy(to: &body)
    return HTTPResponse(stepsAs: form, body)
  }
}

extension HTTPResponse {
  /// Results of steps.
  init(stepsAs form: MediaType, _ body: [UInt8], headers: [(name: String, value: String)] = []) {
    self.init(status: 200, contentType: form.rawValue, headers: headers, body: body)
  }
}

extension StepResultWriter {
  init(_ session: Session, _ fields: StepFields, _ form: MediaType) {
    self.init(
      model: .passUnretained(session.model), session: session.id, fields: fields, form: Form(form))
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

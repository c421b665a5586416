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

  /// - Parameter requestID: the request's name
  /// - Throws: `Problem` 400 where the body is not a list of steps. What is wrong with one of them is
  ///   that one's result.
  init(
    _ body: [UInt8], _ sessions: SessionTable, fields standard: StepFields, requestID: String
  ) throws(Problem) {
    let body = try JSONValue(body: body).fields(["steps", "return"])
    guard let steps = body["steps"] else {
      throw Problem(.malformedRequest, "the body has no \"steps\"")
    }
    let fields =
      if let names = body["return"] { try StepFields(json: names) } else { standard }
    var items: [Result<Item, Problem>] = []
    for (index, step) in try steps.list("steps").enumerated() {
      items.append(Self.item(step, index, fields, sessions))
    }
    self.items = items
    self.requestID = requestID
  }

  /// A problem as a step's result.
  func body(of problem: Problem) -> [UInt8] { problem.body(for: requestID) }

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

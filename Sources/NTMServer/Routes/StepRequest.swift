import NTMModel

/// Steps that a client asks for: the body of `POST /sessions/{id}/step`, or an element of that of
/// `POST /step`.
struct StepRequest: Sendable {
  let inputs: StepInputs
  let fields: StepFields
  /// The number that the client expects the first of the steps to have.
  let firstStep: Int?

  /// One whose fields are known.
  init(inputs: StepInputs, fields: StepFields, firstStep: Int?) {
    self.inputs = inputs
    self.fields = fields
    self.firstStep = firstStep
  }

  /// The names of the fields.
  static let names = ["input", "inputs", "step"] + StepFields.names

  /// - Parameter spare: an array whose room is used for the input
  /// - Throws: `Problem` 400 where the body is not what it should be, 422 where an input has a
  ///   wrong size or a value that float32 does not have. Every input is checked.
  init(
    _ body: borrowing [UInt8], for model: borrowing ServedModel, fields standard: StepFields,
    reusing spare: consuming [Float] = []
  ) throws(Problem) {
    if PlainInput.read(body, size: model.model.configuration.inputSize, into: &spare) {
      self.init(inputs: .one(spare), fields: standard, firstStep: nil)
      return
    }
    try self.init(
      JSONValue(body: copy body).fields(Self.names), for: copy model, fields: standard)
  }

  /// - Parameters:
  ///   - body: an object's fields
  ///   - fields: what to tell where the body does not say
  init(
    _ body: JSONObject, for model: ServedModel, fields standard: StepFields
  ) throws(Problem) {
    switch (body["input"], body["inputs"]) {
    case (let input?, nil):
      inputs = .one(try Self.input(input, name: "input", for: model))
    case (nil, let list?):
      let list = try list.list("inputs")
      var inputs: [[Float]] = []
      inputs.reserveCapacity(list.count)
      for (index, input) in list.enumerated() {
        inputs.append(try Self.input(input, name: "inputs[\(index)]", for: model))
      }
      self.inputs = .list(inputs)
    case (nil, nil):
      throw Problem(.malformedRequest, "the body has neither \"input\" nor \"inputs\"")
    case (_?, _?):
      throw Problem(.malformedRequest, "the body has both \"input\" and \"inputs\"; one is valid")
    }
    fields = try standard.changed(by: body)
    firstStep = if let step = body["step"] { try step.integer("step", 1...Int.max) } else { nil }
  }

  /// Tells this request from others that want steps of the same number.
  ///
  /// - Parameter form: what the reply is
  func fingerprint(_ form: MediaType) -> Fingerprint {
    let numbers = inputs.map { input in
      input.flatMap { value in withUnsafeBytes(of: value.bitPattern) { Array($0) } }
    }
    let wanted = [inputs.isList ? 1 : 0, fields.rawValue].flatMap { number in
      withUnsafeBytes(of: number) { Array($0) }
    }
    return Fingerprint([wanted, Array(form.rawValue.utf8)] + numbers)
  }

  /// One line of a stream: an array, or an object with `input` and, if wanted, `step`.
  struct Line {
    let input: [Float]
    /// The number that the client expects the step to have.
    let step: Int?

    /// - Throws: `Problem` 400 or 422, as for a whole request.
    init(_ line: [UInt8], for model: ServedModel) throws(Problem) {
      let line = try JSONValue(body: line, name: "the line")
      guard case .object = line else {
        input = try StepRequest.input(line, name: "input", for: model)
        step = nil
        return
      }
      let fields = try line.fields(["input", "step"], of: "the line")
      guard let value = fields["input"] else {
        throw Problem(.malformedRequest, "the line has no \"input\"")
      }
      input = try StepRequest.input(value, name: "input", for: model)
      step = if let step = fields["step"] { try step.integer("step", 1...Int.max) } else { nil }
    }
  }

  private static func input(
    _ value: JSONValue, name: @autoclosure () -> String, for model: ServedModel
  ) throws(Problem) -> [Float] {
    let input = try value.vector(name())
    let expected = model.model.configuration.inputSize
    guard input.count == expected else {
      throw Problem(
        .wrongSize, "\(name()) has \(input.count) values; model '\(model.name)' takes \(expected)",
        fields: ["expected": .number(expected), "got": .number(input.count)])
    }
    if let index = input.firstIndex(where: { !$0.isFinite }) {
      throw Problem(
        .notFinite, "\(name())[\(index)] is beyond the largest float32, 3.4028235e38")
    }
    return input
  }
}

/// x of each step of a request, in the form in which they came. One alone is in no list, whose making
/// a request by the thousand per second would notice.
enum StepInputs: Sendable, RandomAccessCollection {
  /// As `input`.
  case one([Float])
  /// As `inputs`: the reply is a list then.
  case list([[Float]])

  /// - Returns: nil where several are in no list
  init?(_ inputs: [[Float]], isList: Bool) {
    guard isList || inputs.count == 1 else { return nil }
    self = isList ? .list(inputs) : .one(inputs[0])
  }

  var isList: Bool { if case .list = self { true } else { false } }

  /// Bytes of memory that they take, about.
  var memory: Int { Self.memory(of: count, size: first?.count ?? 0) }

  /// - Parameter size: values of each
  static func memory(of count: Int, size: Int) -> Int { count * (64 + 4 * size) }

  var startIndex: Int { 0 }

  var endIndex: Int {
    switch self {
    case .one: 1
    case .list(let inputs): inputs.count
    }
  }

  subscript(index: Int) -> [Float] {
    switch self {
    case .one(let input): input
    case .list(let inputs): inputs[index]
    }
  }
}

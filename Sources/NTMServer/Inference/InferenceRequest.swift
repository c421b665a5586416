import NTMModel

/// The body of an inference request: JSON, and behind it the numbers of inputs that are binary (Open
/// Inference Protocol 2, with Triton's sequence and binary tensor data extensions).
///
/// What the protocol has and this does not know is left alone, as it demands: other parameters are
/// for other servers.
struct InferenceRequest: Sendable {
  /// The client's own name for the request, given back.
  /// When reading it began (monotonic nanoseconds).
  let begun = monotonicNanoseconds()
  let id: String?
  let sequence: SequenceID?
  /// The first request of its sequence, and the last.
  let starts: Bool
  let ends: Bool
  /// What is asked for, in that order; all there is where the request does not say.
  let outputs: [Output]
  private var input: JSONObject
  /// The numbers of a binary input.
  private var binary: ArraySlice<UInt8>

  struct Output: Sendable {
    let tensor: InferenceTensor
    let isBinary: Bool
  }

  /// - Parameters:
  ///   - headerLength: bytes of the JSON, by `Inference-Header-Content-Length`; nil where that is
  ///     all
  /// - Throws: `Problem` 400 where it is not such a body, or asks for what there is not.
  init(_ body: [UInt8], headerLength: Int?) throws(Problem) {
    let length = headerLength ?? body.count
    guard length <= body.count else {
      throw Problem(
        .malformedRequest,
        "Inference-Header-Content-Length is \(length); the body has \(body.count) bytes")
    }
    let object = try JSONValue(body: Array(body[..<length])).object("the body")
    let parameters = try object["parameters"]?.object("parameters") ?? [:]
    id = try object["id"]?.string("id")
    sequence = try parameters["sequence_id"].flatMap { value throws(Problem) in
      try SequenceID(value)
    }
    starts = try parameters["sequence_start"]?.bool("parameters.sequence_start") ?? false
    ends = try parameters["sequence_end"]?.bool("parameters.sequence_end") ?? false
    if sequence == nil, starts || ends {
      throw Problem(
        .malformedRequest,
        "\(starts ? "sequence_start" : "sequence_end") is there without a sequence_id")
    }
    outputs = try Self.outputs(
      object["outputs"],
      isBinary: try parameters["binary_data_output"]?.bool("parameters.binary_data_output")
        ?? false)
    (input, binary) = try Self.input(object["inputs"], body[length...])
  }

  private static func outputs(
    _ value: JSONValue?, isBinary: Bool
  ) throws(Problem) -> [Output] {
    // An empty list is how some clients say nothing.
    guard let list = try value?.list("outputs"), !list.isEmpty else {
      return InferenceTensor.allCases.map { Output(tensor: $0, isBinary: isBinary) }
    }
    var outputs: [Output] = []
    for (index, value) in list.enumerated() {
      let object = try value.object("outputs[\(index)]")
      let name = try object["name"]?.string("outputs[\(index)].name") ?? ""
      guard let tensor = InferenceTensor(rawValue: name) else {
        let names = InferenceTensor.allCases.map(\.rawValue)
        throw Problem(
          .malformedRequest,
          "outputs[\(index)].name is \"\(name)\"; there is \(names.joined(separator: ", "))",
          fields: ["valid": .list(names)])
      }
      guard !outputs.contains(where: { $0.tensor == tensor }) else {
        throw Problem(.malformedRequest, "outputs has \"\(name)\" twice")
      }
      let parameters = try object["parameters"]?.object("outputs[\(index)].parameters") ?? [:]
      try refuseUnsupported(parameters, "outputs[\(index)]")
      outputs.append(
        Output(
          tensor: tensor,
          isBinary: try parameters["binary_data"]?.bool("outputs[\(index)].parameters.binary_data")
            ?? isBinary))
    }
    return outputs
  }

  private static func input(
    _ value: JSONValue?, _ rest: ArraySlice<UInt8>
  ) throws(Problem) -> (JSONObject, ArraySlice<UInt8>) {
    let list = try value?.list("inputs") ?? .empty
    guard list.count == 1, let object = try list.first?.object("inputs[0]"),
      try object["name"]?.string("inputs[0].name") == InferenceTensor.input
    else {
      throw Problem(
        .malformedRequest,
        "inputs has \(list.count) tensors; one named \"\(InferenceTensor.input)\" is expected")
    }
    let datatype = try object["datatype"]?.string("inputs[0].datatype") ?? ""
    guard datatype == InferenceTensor.datatype else {
      throw Problem(
        .malformedRequest,
        "inputs[0].datatype is \"\(datatype)\"; it takes \(InferenceTensor.datatype)")
    }
    let parameters = try object["parameters"]?.object("inputs[0].parameters") ?? [:]
    try refuseUnsupported(parameters, "inputs[0]")
    let size = try parameters["binary_data_size"]?.integer(
      "inputs[0].parameters.binary_data_size", 0...Int.max)
    guard (size == nil) == (object["data"] != nil) else {
      throw Problem(
        .malformedRequest, "inputs[0] has to have either data or parameters.binary_data_size")
    }
    guard rest.count == size ?? 0 else {
      throw Problem(
        .malformedRequest,
        "\(rest.count) bytes stand behind the JSON; the inputs have \(size ?? 0)",
        fields: ["expected": .number(size ?? 0), "got": .number(rest.count)])
    }
    return (object, rest)
  }

  private static func refuseUnsupported(
    _ parameters: JSONObject, _ name: String
  ) throws(Problem) {
    for key in ["shared_memory_region", "classification"] where parameters[key] != nil {
      throw Problem(.malformedRequest, "\(name).parameters has \(key), which there is not here")
    }
  }

  // MARK: Numbers

  /// Without the input, which takes as much memory as the body.
  var withoutInput: InferenceRequest {
    var request = self
    request.input = [:]
    request.binary = []
    return request
  }

  /// x of each step.
  ///
  /// - Parameter reserve: called with the bytes of memory that they take
  /// - Throws: `Problem` 400 or 422 where shape or numbers are not what the model takes, or what
  ///   `reserve` throws.
  func inputs(
    for model: ServedModel, reserve: (Int) throws(Problem) -> Void
  ) throws(Problem) -> StepInputs {
    let size = model.model.configuration.inputSize
    var shape: [Int] = []
    for (index, value) in try (input["shape"] ?? .list([])).list("inputs[0].shape").enumerated() {
      shape.append(try value.integer("inputs[0].shape[\(index)]", 0...Int.max))
    }
    // One step may come without the dimension of time.
    guard shape == [size] || shape.count == 2 && shape[1] == size && shape[0] > 0 else {
      throw Problem(
        .wrongSize,
        "inputs[0].shape is \(shape); model '\(model.name)' takes [\(size)] or [steps, \(size)]",
        fields: ["expected": .number(size)])
    }
    let steps = shape.count == 2 ? shape[0] : 1
    let (count, overflow) = steps.multipliedReportingOverflow(by: size)
    let values = try values()
    guard !overflow, values.count == count else {
      throw Problem(
        .wrongSize, "inputs[0] has \(values.count) values; its shape \(shape) has another number",
        fields: ["got": .number(values.count)])
    }
    if let index = values.firstIndex(where: { !$0.isFinite }) {
      throw Problem(.notFinite, "inputs[0]: value \(index) is not finite as a float32")
    }
    let memory = StepInputs.memory(of: steps, size: size)
    try reserve(memory)
    return .list((0..<steps).map { Array(values[$0 * size..<($0 + 1) * size]) })
  }

  private func values() throws(Problem) -> [Float] {
    if let data = input["data"] {
      var values: [Float] = []
      try Self.flatten(data, into: &values)
      return values
    }
    guard binary.count.isMultiple(of: 4) else {
      throw Problem(
        .wrongSize, "inputs[0] has \(binary.count) bytes; a value of FP32 has 4")
    }
    return binary.withUnsafeBytes { bytes in
      (0..<bytes.count / 4).map {
        Float(
          bitPattern: UInt32(
            littleEndian: bytes.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
      }
    }
  }

  /// In row-major order, nested as the shape is or not at all: both are valid.
  private static func flatten(_ data: JSONValue, into values: inout [Float]) throws(Problem) {
    switch data {
    case .list(let rows): for row in rows { try flatten(row, into: &values) }
    case .rows(let rows): values += rows.numbers.lazy.map { Float($0) }
    default: values += try data.vector("inputs[0].data")
    }
  }
}

/// How a client names a sequence; a number and a text are different names.
enum SequenceID: Hashable, Sendable {
  case number(UInt64)
  case text(String)

  /// Nil for 0 and "", which say that the request is of no sequence.
  init?(_ value: JSONValue) throws(Problem) {
    switch value {
    case .string(""), .number(0): return nil
    case .string(let text): self = .text(text)
    default:
      guard let number = value.whole(UInt64.self) else {
        throw value.unexpected(
          "parameters.sequence_id", "a text, or a whole number up to \(UInt64.max),",
          got: value.numeral)
      }
      self = .number(number)
    }
  }

  /// As JSON, and in a message.
  var json: String {
    switch self {
    case .number(let number): String(number)
    case .text(let text): text.quoted
    }
  }
}

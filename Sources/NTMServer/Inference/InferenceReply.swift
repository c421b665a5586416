import NTMModel

/// The reply to an inference request: JSON, and behind it the numbers of outputs that are to be
/// binary.
struct InferenceReply {
  private let request: InferenceRequest
  private let model: ServedModel
  private var steps = 0
  private var values: [[Float]]

  init(_ request: InferenceRequest, _ model: ServedModel) {
    self.request = request
    self.model = model
    values = request.outputs.map { _ in [] }
  }

  /// At least the bytes of the reply.
  static func largest(_ request: InferenceRequest, _ model: ServedModel, steps: Int) -> Int {
    let values = request.outputs.reduce(0) { $0 + $1.tensor.shape(of: model).reduce(1, *) }
    return 1024 + steps * values * 16
  }

  /// Takes up what a step gave.
  mutating func add(_ content: borrowing Session.Content, _ room: StepRoom) {
    steps += 1
    for index in values.indices {
      request.outputs[index].tensor.append(content, room, of: model, to: &values[index])
    }
  }

  /// - Parameters:
  ///   - session: the sequence's; nil where the request was of none
  ///   - step: how many steps the session has taken
  ///   - text: emptied and used
  func response(
    session: String?, step: Int, _ text: inout ByteBuffer
  ) -> HTTPResponse {
    text.removeAll()
    text.append("{\"model_name\":")
    text.append(utf8: model.name.quoted)
    text.append(",\"model_version\":\"")
    text.append(utf8: model.version)
    text.append(UInt8(ascii: "\""))
    if let id = request.id {
      text.append(",\"id\":")
      text.append(utf8: id.quoted)
    }
    if let session, let sequence = request.sequence {
      text.append(",\"parameters\":{\"sequence_id\":")
      text.append(utf8: sequence.json)
      text.append(",\"session\":\"")
      text.append(utf8: session)
      text.append("\",\"step\":")
      text.appendNumber(step)
      text.append(UInt8(ascii: "}"))
    }
    text.append(",\"outputs\":")
    text.appendList(request.outputs.indices) { text, index in write(index, to: &text) }
    text.append(UInt8(ascii: "}"))
    return respond(text.bytes)
  }

  private func write(_ index: Int, to text: inout ByteBuffer) {
    let output = request.outputs[index]
    text.append("{\"name\":\"")
    text.append(utf8: output.tensor.rawValue)
    text.append("\",\"datatype\":\"")
    text.append(utf8: InferenceTensor.datatype)
    text.append("\",\"shape\":[")
    text.append(
      utf8: ([steps] + output.tensor.shape(of: model)).map(String.init).joined(separator: ","))
    text.append("],")
    if output.isBinary {
      text.append("\"parameters\":{\"binary_data_size\":")
      text.appendNumber(4 * values[index].count)
      text.append("}}")
    } else {
      text.append("\"data\":")
      values[index].withUnsafeBufferPointer { text.appendArray($0) }
      text.append(UInt8(ascii: "}"))
    }
  }

  private func respond(_ json: [UInt8]) -> HTTPResponse {
    guard request.outputs.contains(where: \.isBinary) else { return .json(bytes: json) }
    var body = json
    for (output, values) in zip(request.outputs, values) where output.isBinary {
      for value in values {
        withUnsafeBytes(of: value.bitPattern.littleEndian) { body.append(contentsOf: $0) }
      }
    }
    return HTTPResponse(
      status: 200, contentType: "application/octet-stream",
      headers: [("Inference-Header-Content-Length", String(json.count))], body: body)
  }
}

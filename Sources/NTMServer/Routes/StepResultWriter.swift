import NTMModel

/// Writes the results of steps, straight from the numbers.
struct StepResultWriter {
  /// How results stand one behind the other.
  enum Form {
    /// Objects; what is between them is the caller's.
    case json
    /// An object on each line.
    case jsonLines
    /// Server-sent events.
    case eventStream
    /// The values of the output alone, on a line for each step.
    case csv
  }

  let model: ServedModel
  /// The session's name; nil where there is none to tell.
  let session: String?
  var fields = StepFields.standard
  var form = Form.json

  /// Writes the result of the step that `room` was just used for behind what its text has.
  func write(_ content: borrowing Session.Content, _ room: StepRoom) {
    switch form {
    case .json:
      writeObject(fields, content, room)
    case .jsonLines:
      writeObject(fields, content, room)
      room.text.append(UInt8(ascii: "\n"))
    case .eventStream:
      room.text.append("event: step\ndata: ")
      writeObject(fields, content, room)
      room.text.append("\n\n")
    case .csv:
      room.text.appendLine(room.workspace.output)
    }
  }

  /// `{"session": …, "step": …, "output": […], …}`
  func writeObject(
    _ fields: StepFields, _ content: borrowing Session.Content, _ room: StepRoom
  ) {
    writeObject(
      fields, content.step, room.input, content.state, room.workspace, to: &room.text)
  }

  /// - Parameter input: x of the step, which neither the state nor the workspace keeps
  func writeObject(
    _ fields: StepFields, _ step: Int, _ input: [Float], _ state: borrowing State,
    _ workspace: borrowing Workspace, to text: inout ByteBuffer
  ) {
    let heads = model.model.configuration.heads
    text.append(UInt8(ascii: "{"))
    if let session {
      text.append("\"session\":\"")
      text.append(utf8: session)
      text.append("\",")
    }
    text.append("\"step\":")
    text.appendNumber(step)
    if fields.names.contains(.input) {
      text.append(",\"input\":")
      input.withUnsafeBufferPointer { text.appendArray($0, inBase64: fields.isBase64) }
    }
    if fields.names.contains(.output) {
      text.append(",\"output\":")
      text.appendArray(workspace.output, inBase64: fields.isBase64)
    }
    if fields.names.contains(.readWeightings) {
      text.append(",\"read_weightings\":")
      text.appendList(heads.indices.lazy.filter { heads[$0].reads }) { text, head in
        append(state.weighting(head), fields, to: &text)
      }
    }
    if fields.names.contains(.writeWeightings) {
      text.append(",\"write_weightings\":")
      text.appendList(heads.indices.lazy.filter { heads[$0].writes }) { text, head in
        append(state.weighting(head), fields, to: &text)
      }
    }
    if fields.names.contains(.readVectors) {
      text.append(",\"read_vectors\":")
      text.appendList(0..<state.layout.reads.rows) { text, read in
        text.appendArray(state.read(read), inBase64: fields.isBase64)
      }
    }
    if fields.names.contains(.memory) {
      text.append(",\"memory\":")
      text.appendMemory(state, inBase64: fields.isBase64)
    }
    if fields.names.contains(.heads) {
      text.append(",\"heads\":")
      text.appendList(heads.indices) { text, head in
        write(heads[head], model.model.head(head, in: workspace), fields, to: &text)
      }
    }
    text.append(UInt8(ascii: "}"))
  }

  /// What a head was told: key k, strength β, gate g, sharpening γ, shift s, erase e, add a; what
  /// its model does not have is left out.
  private func write(
    _ head: Head, _ reading: HeadReading, _ fields: StepFields, to text: inout ByteBuffer
  ) {
    text.append("{\"type\":\"")
    text.append(utf8: head.rawValue)
    text.append("\",\"key\":")
    text.appendArray(reading.key, inBase64: fields.isBase64)
    append(",\"strength\":", reading.strength, to: &text)
    append(",\"gate\":", reading.gate, to: &text)
    append(",\"sharpening\":", reading.sharpening, to: &text)
    append(",\"shift\":", reading.shift, fields, to: &text)
    append(",\"erase\":", reading.erase, fields, to: &text)
    append(",\"add\":", reading.add, fields, to: &text)
    text.append(UInt8(ascii: "}"))
  }

  private func append(_ name: StaticString, _ value: Float?, to text: inout ByteBuffer) {
    guard let value else { return }
    text.append(name)
    text.appendNumber(value)
  }

  private func append(
    _ name: StaticString, _ values: UnsafeBufferPointer<Float>?, _ fields: StepFields,
    to text: inout ByteBuffer
  ) {
    guard let values else { return }
    text.append(name)
    text.appendArray(values, inBase64: fields.isBase64)
  }

  /// All weights of a weighting, or the largest with their rows.
  private func append(
    _ weighting: UnsafeBufferPointer<Float>, _ fields: StepFields, to text: inout ByteBuffer
  ) {
    guard let top = fields.top else {
      return text.appendArray(weighting, inBase64: fields.isBase64)
    }
    LargestWeights.withRows(top, of: weighting) { rows in
      withUnsafeTemporaryAllocation(of: Float.self, capacity: rows.count) { weights in
        for (place, row) in rows.enumerated() {
          weights.initializeElement(at: place, to: weighting[row])
        }
        text.append("{\"rows\":")
        text.appendList(rows) { $0.appendNumber($1) }
        text.append(",\"weights\":")
        text.appendArray(UnsafeBufferPointer(weights), inBase64: fields.isBase64)
        text.append(UInt8(ascii: "}"))
      }
    }
  }

  /// A sign, nine digits, a point, an exponent such as "e-36", and a comma.
  private static let longestNumber = 16
  /// A row and a comma.
  private static let longestRow = 11
  /// The names of a head's parameters, and those that are one number; or those of largest weights.
  private static let longestHead = 192
  /// All else: names, the session, the step.
  private static let longestFrame = 256

  /// At least the bytes of one result.
  var largestResult: Int {
    let configuration = model.model.configuration
    let (rows, columns) = (configuration.memory.rows, configuration.memory.columns)
    let taps = configuration.dialect.addressing.shift?.parameterCount ?? 0
    // With brackets or quotes, and a comma behind them.
    func list(_ count: Int) -> Int {
      (fields.isBase64 ? ByteBuffer.base64Count(count) : count * Self.longestNumber) + 3
    }
    func weighting() -> Int {
      guard let top = fields.top.map({ min($0, rows) }) else { return list(rows) }
      return Self.longestHead + top * Self.longestRow + list(top)
    }
    var bytes = Self.longestFrame
    if fields.names.contains(.input) { bytes += list(configuration.inputSize) }
    if fields.names.contains(.output) { bytes += list(configuration.outputSize) }
    for head in configuration.heads {
      if fields.names.contains(.readWeightings), head.reads { bytes += weighting() }
      if fields.names.contains(.writeWeightings), head.writes { bytes += weighting() }
      if fields.names.contains(.readVectors), head.reads { bytes += list(columns) }
      if fields.names.contains(.heads) {
        bytes += Self.longestHead + 3 * list(columns) + list(taps)
      }
    }
    if fields.names.contains(.memory) { bytes += rows * list(columns) }
    return bytes
  }
}

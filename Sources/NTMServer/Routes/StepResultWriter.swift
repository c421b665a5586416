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
    if fields.contains(.input) {
      text.append(",\"input\":")
      input.withUnsafeBufferPointer { text.appendArray($0) }
    }
    if fields.contains(.output) {
      text.append(",\"output\":")
      text.appendArray(workspace.output)
    }
    if fields.contains(.readWeightings) {
      text.append(",\"read_weightings\":")
      text.appendList(heads.indices.lazy.filter { heads[$0].reads }) { text, head in
        text.appendArray(state.weighting(head))
      }
    }
    if fields.contains(.writeWeightings) {
      text.append(",\"write_weightings\":")
      text.appendList(heads.indices.lazy.filter { heads[$0].writes }) { text, head in
        text.appendArray(state.weighting(head))
      }
    }
    if fields.contains(.readVectors) {
      text.append(",\"read_vectors\":")
      text.appendList(0..<state.layout.reads.rows) { text, read in
        text.appendArray(state.read(read))
      }
    }
    if fields.contains(.memory) {
      text.append(",\"memory\":")
      text.appendMemory(state)
    }
    if fields.contains(.heads) {
      text.append(",\"heads\":")
      text.appendList(heads.indices) { text, head in
        write(heads[head], model.model.head(head, in: workspace), to: &text)
      }
    }
    text.append(UInt8(ascii: "}"))
  }

  /// What a head was told: key k, strength β, gate g, sharpening γ, shift s, erase e, add a; what
  /// its model does not have is left out.
  private func write(_ head: Head, _ reading: HeadReading, to text: inout ByteBuffer) {
    text.append("{\"type\":\"")
    text.append(utf8: head.rawValue)
    text.append("\",\"key\":")
    text.appendArray(reading.key)
    append(",\"strength\":", reading.strength, to: &text)
    append(",\"gate\":", reading.gate, to: &text)
    append(",\"sharpening\":", reading.sharpening, to: &text)
    append(",\"shift\":", reading.shift, to: &text)
    append(",\"erase\":", reading.erase, to: &text)
    append(",\"add\":", reading.add, to: &text)
    text.append(UInt8(ascii: "}"))
  }

  private func append(_ name: StaticString, _ value: Float?, to text: inout ByteBuffer) {
    guard let value else { return }
    text.append(name)
    text.appendNumber(value)
  }

  private func append(
    _ name: StaticString, _ values: UnsafeBufferPointer<Float>?, to text: inout ByteBuffer
  ) {
    guard let values else { return }
    text.append(name)
    text.appendArray(values)
  }

  /// A sign, nine digits, a point, an exponent such as "e-36", and a comma.
  private static let longestNumber = 16
  /// The names of a head's parameters, and those that are one number.
  private static let longestHead = 192
  /// All else: names, the session, the step.
  private static let longestFrame = 256

  /// At least the bytes of one result.
  var largestResult: Int {
    let configuration = model.model.configuration
    let (rows, columns) = (configuration.memory.rows, configuration.memory.columns)
    let taps = configuration.dialect.addressing.shift?.parameterCount ?? 0
    // With brackets, and a comma behind them.
    func list(_ count: Int) -> Int { count * Self.longestNumber + 3 }
    var bytes = Self.longestFrame
    if fields.contains(.input) { bytes += list(configuration.inputSize) }
    if fields.contains(.output) { bytes += list(configuration.outputSize) }
    for head in configuration.heads {
      if fields.contains(.readWeightings), head.reads { bytes += list(rows) }
      if fields.contains(.writeWeightings), head.writes { bytes += list(rows) }
      if fields.contains(.readVectors), head.reads { bytes += list(columns) }
      if fields.contains(.heads) { bytes += Self.longestHead + list(3 * columns) + list(taps) }
    }
    if fields.contains(.memory) { bytes += rows * list(columns) }
    return bytes
  }
}

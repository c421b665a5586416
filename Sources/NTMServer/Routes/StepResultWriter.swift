import NTMModel

/// Writes the results of steps, straight from the numbers.
struct StepResultWriter: ~Copyable {
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

  /// Not counted, as all threads that step it would count the same: whoever writes has it.
  private let model: Unmanaged<ServedModel>
  /// The session's name; nil where there is none to tell.
  let session: String?
  let fields: StepFields
  let form: Form

  init(
    model: Unmanaged<ServedModel>, session: String?, fields: StepFields = .standard,
    form: Form = .json
  ) {
    self.model = model
    self.session = session
    self.fields = fields
    self.form = form
  }

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
      appendWeightings(of: state, fields, to: &text) { $0.reads }
    }
    if fields.names.contains(.writeWeightings) {
      text.append(",\"write_weightings\":")
      appendWeightings(of: state, fields, to: &text) { $0.writes }
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
      text.appendList(heads) { text, index in
        let reading = model._withUnsafeGuaranteedRef { $0.model.head(index, in: workspace) }
        write(head(index), reading, fields, to: &text)
      }
    }
    text.append(UInt8(ascii: "}"))
  }

  /// The weightings of some heads.
  private func appendWeightings(
    of state: borrowing State, _ fields: StepFields, to text: inout ByteBuffer,
    where isWanted: (Head) -> Bool
  ) {
    text.appendList(
      heads, where: { isWanted(head($0)) },
      { text, index in append(state.weighting(index), fields, to: &text) })
  }

  private var heads: Range<Int> {
    model._withUnsafeGuaranteedRef { $0.model.configuration.heads.indices }
  }

  private func head(_ index: Int) -> Head {
    model._withUnsafeGuaranteedRef { $0.model.configuration.heads[index] }
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
}

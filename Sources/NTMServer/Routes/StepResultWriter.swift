import NTMModel

/// Writes the results of steps as JSON, straight from the numbers.
struct StepResultWriter {
  let session: Session
  let fields: StepFields

  /// One result: `{"session": …, "step": …, "output": […], …}`.
  func write(
    _ step: Int, _ state: borrowing State, _ workspace: borrowing Workspace,
    to text: inout ByteBuffer
  ) {
    text.append("{\"session\":\"")
    text.append(utf8: session.id)
    text.append("\",\"step\":")
    text.appendNumber(step)
    if fields.contains(.output) {
      text.append(",\"output\":")
      text.appendArray(workspace.output)
    }
    let heads = session.model.model.configuration.heads
    if fields.contains(.readWeightings) {
      text.append(",\"read_weightings\":")
      writeWeightings(heads.indices.lazy.filter { heads[$0].reads }, state, to: &text)
    }
    if fields.contains(.writeWeightings) {
      text.append(",\"write_weightings\":")
      writeWeightings(heads.indices.lazy.filter { heads[$0].writes }, state, to: &text)
    }
    if fields.contains(.readVectors) {
      text.append(",\"read_vectors\":")
      text.append(UInt8(ascii: "["))
      for read in 0..<state.layout.reads.rows {
        if read > 0 { text.append(UInt8(ascii: ",")) }
        text.appendArray(state.read(read))
      }
      text.append(UInt8(ascii: "]"))
    }
    if fields.contains(.memory) {
      text.append(",\"memory\":")
      Self.writeMemory(state, to: &text)
    }
    if fields.contains(.heads) {
      text.append(",\"heads\":")
      writeHeads(heads, workspace, to: &text)
    }
    text.append(UInt8(ascii: "}"))
  }

  /// One weighting for each of the heads.
  private func writeWeightings(
    _ heads: some Sequence<Int>, _ state: borrowing State, to text: inout ByteBuffer
  ) {
    text.append(UInt8(ascii: "["))
    var isFirst = true
    for head in heads {
      if !isFirst { text.append(UInt8(ascii: ",")) }
      isFirst = false
      text.appendArray(state.weighting(head))
    }
    text.append(UInt8(ascii: "]"))
  }

  /// The memory matrix, a list of rows.
  static func writeMemory(_ state: borrowing State, to text: inout ByteBuffer) {
    let (rows, columns) = (state.layout.memory.rows, state.layout.memory.columns)
    text.append(UInt8(ascii: "["))
    withUnsafeTemporaryAllocation(of: Float.self, capacity: columns) { row in
      for index in 0..<rows {
        if index > 0 { text.append(UInt8(ascii: ",")) }
        state.copyMemoryRow(index, to: row.baseAddress!)
        text.appendArray(UnsafeBufferPointer(row))
      }
    }
    text.append(UInt8(ascii: "]"))
  }

  /// What each head was told: key k, strength β, gate g, shift s, sharpening γ, erase e, add a;
  /// what its model has not is left out.
  private func writeHeads(
    _ heads: [Head], _ workspace: borrowing Workspace, to text: inout ByteBuffer
  ) {
    text.append(UInt8(ascii: "["))
    for (index, head) in heads.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      let reading = session.model.model.head(index, in: workspace)
      text.append("{\"type\":\"")
      text.append(utf8: head.rawValue)
      text.append("\",\"key\":")
      text.appendArray(reading.key)
      for (name, value) in [
        (",\"strength\":", reading.strength), (",\"gate\":", reading.gate),
        (",\"sharpening\":", reading.sharpening),
      ] as [(StaticString, Float?)] {
        guard let value else { continue }
        text.append(name)
        text.appendNumber(value)
      }
      for (name, values) in [
        (",\"shift\":", reading.shift), (",\"erase\":", reading.erase), (",\"add\":", reading.add),
      ] as [(StaticString, UnsafeBufferPointer<Float>?)] {
        guard let values else { continue }
        text.append(name)
        text.appendArray(values)
      }
      text.append(UInt8(ascii: "}"))
    }
    text.append(UInt8(ascii: "]"))
  }
}

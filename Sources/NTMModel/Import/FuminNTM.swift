extension ImportedWeights {
  /// fumin/ntm's weights. A feed-forward controller takes [reads…, x, 1]; one matrix of [h, 1]
  /// gives the outputs and then, for each head, erase, add, key, strength, gate, shift, sharpening;
  /// every head reads and writes with one weighting.
  init(fumin file: SafeTensorsFile, dialect: Dialect) throws {
    let hidden = try file.matrix("wh1")
    let output = try file.matrix("wy")
    let startWeightings = try file.matrix("wtm1")
    let memory = try file.matrix("mtm1")
    let (heads, columns, units) = (startWeightings.rows, memory.columns, hidden.rows)
    let perHead = 3 * columns + 4
    let outputSize = output.rows - heads * perHead
    let inputSize = hidden.columns - 1 - heads * columns
    guard output.columns == units + 1, startWeightings.columns == memory.rows, inputSize > 0,
      outputSize > 0
    else {
      throw ImportError(
        "the shapes of wh1 [\(hidden.rows), \(hidden.columns)], wy [\(output.rows), "
          + "\(output.columns)], wtm1 [\(heads), \(startWeightings.columns)] and mtm1 "
          + "[\(memory.rows), \(columns)] don't fit together")
    }
    configuration = Configuration(
      inputSize: inputSize, outputSize: outputSize,
      memory: MemoryShape(rows: memory.rows, columns: columns),
      controller: Controller(kind: .feedForward(activation: .sigmoid), units: units),
      heads: Array(repeating: .readWrite, count: heads), dialect: dialect,
      start: StartState(
        memory: .stored, weightings: .stored, reads: .stored, hidden: .constant(0),
        cell: .constant(0)))

    let reads = 0..<heads * columns
    let inputs = reads.upperBound..<reads.upperBound + inputSize
    setAffine(
      "controller.0", hidden.selectingColumns([Int](inputs) + [Int](reads) + [hidden.columns - 1]))
    let headRows = (0..<heads).flatMap { head -> [Int] in
      let first = outputSize + head * perHead
      let (erase, add) = (first..<first + columns, first + columns..<first + 2 * columns)
      return [Int](first + 2 * columns..<first + perHead) + [Int](erase) + [Int](add)
    }
    setAffine("heads", output.selectingRows(headRows))
    setAffine("output", output.selectingRows(0..<outputSize))

    let weightings = (0..<heads).map { Self.softmax(startWeightings.selectingRows([$0]).values) }
    tensors["start.weightings"] = weightings.flatMap { $0 }
    tensors["start.memory"] = memory.values
    tensors["start.reads"] = weightings.flatMap { weighting in
      (0..<columns).map { column in
        Float(
          weighting.indices.reduce(0.0) {
            $0 + Double(weighting[$1]) * Double(memory.values[$1 * columns + column])
          })
      }
    }
  }

  /// A map of [x, 1]: its last column is the bias.
  private mutating func setAffine(_ name: String, _ matrix: Matrix) {
    let inputs = matrix.columns - 1
    set(
      name, weight: matrix.selectingColumns(0..<inputs),
      bias: matrix.selectingColumns([inputs]).values)
  }
}

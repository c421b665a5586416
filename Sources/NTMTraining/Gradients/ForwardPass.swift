import NTMModel

/// The forward pass over a batch: the arithmetic of `Model.step`, with what it computes kept.
struct ForwardPass {
  let tape: Tape
  /// Laid out by `ParameterLayout`.
  let parameters: UnsafePointer<Float>

  private var configuration: Configuration { tape.configuration }
  private var layout: ParameterLayout { tape.layout }
  private var lastLayer: Int { configuration.controller.layers - 1 }

  /// Fills the tape; the logits are its result.
  ///
  /// - Parameter inputs: T × B × inputs
  func run(_ inputs: UnsafePointer<Float>) {
    placeStart()
    for step in 0..<tape.steps {
      runController(step, inputs + step * tape.batch * configuration.inputSize)
      apply(
        layout.weights.heads, tape.hidden(lastLayer, step + 1), to: tape.rawParameters(step),
        count: tape.batch)
      for sequence in 0..<tape.batch {
        tape.memoryStep.activate(
          raw: tape.rawParameters(step, sequence), values: tape.parameters(step, sequence))
        runMemory(step, sequence)
        gatherOutputInput(step, sequence)
      }
    }
    // The logits feed nothing within the sequence: all of them at once.
    apply(
      layout.weights.output, tape.outputInput(0), to: tape.logits(0), count: tape.steps * tape.batch
    )
  }

  private func placeStart() {
    let (rows, columns) = (configuration.memory.rows, configuration.memory.columns)
    for sequence in 0..<tape.batch {
      let memory = tape.memory(sequence, 0)
      for row in 0..<rows {
        for column in 0..<columns {
          memory[tape.memoryIndex(row, column)] =
            parameters[layout.startMemory + row * columns + column]
        }
      }
      for head in configuration.heads.indices {
        (tape.weightings(0, sequence) + head * tape.rows).update(
          from: parameters + layout.startWeightings + head * rows, count: rows)
      }
      tape.reads(0, sequence).update(from: parameters + layout.startReads, count: tape.readsCount)
      guard configuration.controller.kind == .lstm else { continue }
      for layer in 0...lastLayer {
        let (units, first) = (tape.units, sequence * tape.units)
        (tape.hidden(layer, 0) + first).update(
          from: parameters + layout.startHidden + layer * units, count: units)
        (tape.cell(layer, 0) + first).update(
          from: parameters + layout.startCell + layer * units, count: units)
      }
    }
  }

  /// Y = X Wᵀ + b for `count` rows of X.
  private func apply(
    _ map: Weights.Linear, _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int
  ) {
    for row in 0..<count {
      (y + row * map.outputs).update(from: parameters + map.bias.offset, count: map.outputs)
    }
    BLAS.multiply(
      x, parameters + map.weight.offset, bTransposed: true, rows: count, inner: map.inputs,
      columns: map.outputs, beta: 1, into: y)
  }

  private func runController(_ step: Int, _ inputs: UnsafePointer<Float>) {
    let units = tape.units
    let isLSTM = configuration.controller.kind == .lstm
    for layer in 0...lastLayer {
      let map = layout.weights.controller[layer]
      let x = tape.controllerInput(layer, step)
      for sequence in 0..<tape.batch {
        var next = x + sequence * map.inputs
        func append(_ values: UnsafePointer<Float>, _ count: Int) {
          next.update(from: values, count: count)
          next += count
        }
        if layer == 0 {
          append(inputs + sequence * configuration.inputSize, configuration.inputSize)
          append(tape.reads(step, sequence), tape.readsCount)
        } else {
          append(tape.hidden(layer - 1, step + 1) + sequence * units, units)
        }
        if isLSTM { append(tape.hidden(layer, step) + sequence * units, units) }
      }
      let gates = tape.gates(layer, step)
      apply(map, x, to: gates, count: tape.batch)
      let hidden = tape.hidden(layer, step + 1)
      switch configuration.controller.kind {
      case .lstm:
        for sequence in 0..<tape.batch {
          let first = sequence * units
          tape.kernels.lstm(
            gates: gates + sequence * map.outputs, cellBefore: tape.cell(layer, step) + first,
            cell: tape.cell(layer, step + 1) + first, hidden: hidden + first, units: units)
        }
      case .feedForward(let activation):
        tape.kernels.apply(activation, gates, hidden, count: tape.batch * units)
      }
    }
  }

  private func runMemory(_ step: Int, _ sequence: Int) {
    let memoryStep = tape.memoryStep
    let shape = memoryStep.addressing.shape
    let order = configuration.dialect.memoryOrder
    let values = UnsafePointer(tape.parameters(step, sequence))
    let writes = tape.writes(step, sequence)
    var version = step * tape.versionsPerStep
    var readCount = 0
    var writeCount = 0

    /// The next version of the memory: `count` heads' writes at once, beginning with the next one.
    func write(_ count: Int) {
      writes.withUnsafeBufferPointer { writes in
        _ = tape.kernels.use(
          from: tape.memory(sequence, version), to: tape.memory(sequence, version + 1), shape,
          reads: [], readCount: 0, writes: writes.baseAddress! + writeCount, writeCount: count,
          sums: tape.sums)
      }
      version += 1
      writeCount += count
    }

    for index in configuration.heads.indices {
      let head = configuration.heads[index]
      let place = index * tape.rows
      let memory = UnsafePointer(tape.memory(sequence, version))
      let weighting = tape.weightings(step + 1, sequence) + place
      let parameters = memoryStep.heads[index]
      let keySquare = tape.kernels.similarity(
        memory, shape, key: values + parameters.key.lowerBound,
        offset: memoryStep.addressing.addressing.similarity.offset, dots: tape.dots,
        squares: tape.squares)
      memoryStep.addressing.address(
        AddressingStep.Similarity(
          dots: tape.dots, squares: tape.squares, keySquare: keySquare),
        with: parameters, values: values, before: tape.weightings(step, sequence) + place,
        shifted: tape.shifted(step, sequence) + place, into: weighting,
        content: tape.content(step, sequence) + place)
      if head.reads {
        var read = HeadRead(
          by: weighting, into: tape.reads(step + 1, sequence) + readCount * shape.columns)
        _ = tape.kernels.use(
          from: memory, to: tape.memory(sequence, version), shape, reads: &read, readCount: 1,
          writes: writes, writeCount: 0, sums: tape.sums)
        readCount += 1
      }
      if head.writes && order == .sequential { write(1) }
    }
    if order == .parallel {
      for _ in writes { write(1) }
    } else if order == .combined, !writes.isEmpty {
      write(writes.count)
    }
  }

  private func gatherOutputInput(_ step: Int, _ sequence: Int) {
    let to = tape.outputInput(step, sequence)
    to.update(from: tape.hidden(lastLayer, step + 1) + sequence * tape.units, count: tape.units)
    guard configuration.dialect.output.source == .hiddenAndReads else { return }
    (to + tape.units).update(from: tape.reads(step + 1, sequence), count: tape.readsCount)
  }
}

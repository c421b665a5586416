import NTMModel

/// Back-propagation through time over a batch that a forward pass has put on the tape.
final class BackwardPass {
  private let tape: Tape
  private let configuration: Configuration
  private let layout: ParameterLayout
  private let addressing: AddressingGradient
  private let buffer: AlignedBuffer<Float>
  private let places: Places

  private struct Places {
    /// T × B × gates of each layer; T × B × P; T × B × inputs of the output layer.
    var dGates: [Int] = []
    var dRaw = 0
    var dOutputInput = 0
    // On their way back in time: B × H of each layer, B × R M, B × heads × N', B × memory.
    var dHidden: [Int] = []
    var dCell: [Int] = []
    var dReads = 0
    var dWeightings = 0
    var dWeightingsBefore = 0
    var dMemory = 0
    // Scratch: B × inputs of a layer, P, P.
    var dInput = 0
    var dValues = 0
    var clipped = 0
    var addressing = 0
  }

  init(_ tape: Tape) throws(AllocationError) {
    self.tape = tape
    configuration = tape.configuration
    layout = tape.layout
    let (steps, batch, units) = (tape.steps, tape.batch, tape.units)
    var end = 0
    func take(_ counts: Int...) -> Int {
      defer { end += Kernels.padded(counts.reduce(1, *)) }
      return end
    }
    var places = Places()
    for map in layout.weights.controller {
      places.dGates.append(take(steps, batch, map.outputs))
      places.dHidden.append(take(batch, units))
      places.dCell.append(take(batch, units))
    }
    places.dRaw = take(steps, batch, tape.parameterCount)
    places.dOutputInput = take(steps, batch, configuration.outputInputSize)
    places.dReads = take(batch, tape.readsCount)
    places.dWeightings = take(batch, configuration.heads.count, tape.rows)
    places.dWeightingsBefore = take(batch, configuration.heads.count, tape.rows)
    places.dMemory = take(batch, tape.memoryCount)
    places.dInput = take(batch, layout.weights.controller.map(\.inputs).max() ?? 0)
    places.dValues = take(tape.parameterCount)
    places.clipped = take(tape.parameterCount)
    places.addressing = take(4, tape.rows)
    self.places = places
    let buffer = try AlignedBuffer<Float>(zeros: end)
    addressing = AddressingGradient(
      addressing: tape.memoryStep.addressing, scratch: buffer.base + places.addressing)
    self.buffer = buffer
  }

  private func at(_ place: Int, _ index: Int = 0, _ stride: Int = 0) -> UnsafeMutablePointer<Float>
  {
    buffer.base + place + index * stride
  }

  /// Adds the gradient of the loss to `gradients`.
  ///
  /// - Parameters:
  ///   - parameters: those of the forward pass, laid out by `ParameterLayout`
  ///   - dLogits: T × B × outputs, the gradient of the loss with respect to the logits before their
  ///     clip
  ///   - gradients: laid out as the parameters
  func run(
    _ parameters: UnsafePointer<Float>, dLogits: UnsafePointer<Float>,
    into gradients: UnsafeMutablePointer<Float>
  ) {
    let count = tape.steps * tape.batch
    clear()
    propagate(layout.weights.output, dLogits, parameters, to: at(places.dOutputInput), count: count)
    for step in stride(from: tape.steps - 1, through: 0, by: -1) {
      runStep(step, parameters)
    }
    // Every step's contribution to a matrix in one product.
    accumulate(layout.weights.output, dLogits, tape.outputInput(0), count, gradients)
    accumulate(
      layout.weights.heads, at(places.dRaw), tape.hidden(configuration.controller.layers - 1, 1),
      count, gradients)
    for (layer, map) in layout.weights.controller.enumerated() {
      accumulate(map, at(places.dGates[layer]), tape.controllerInput(layer, 0), count, gradients)
    }
    accumulateStart(gradients)
  }

  private func clear() {
    for layer in places.dHidden.indices {
      at(places.dHidden[layer]).update(repeating: 0, count: tape.batch * tape.units)
      at(places.dCell[layer]).update(repeating: 0, count: tape.batch * tape.units)
    }
    at(places.dReads).update(repeating: 0, count: tape.batch * tape.readsCount)
    at(places.dWeightings).update(
      repeating: 0, count: tape.batch * configuration.heads.count * tape.rows)
    at(places.dMemory).update(repeating: 0, count: tape.batch * tape.memoryCount)
  }

  // MARK: Linear maps

  /// dX = dY W for `count` rows.
  private func propagate(
    _ map: Weights.Linear, _ dY: UnsafePointer<Float>, _ parameters: UnsafePointer<Float>,
    to dX: UnsafeMutablePointer<Float>, count: Int, beta: Float = 0
  ) {
    BLAS.multiply(
      dY, parameters + map.weight.offset, rows: count, inner: map.outputs, columns: map.inputs,
      beta: beta, into: dX)
  }

  /// dW += dYᵀ X and db += Σ dY over `count` rows.
  private func accumulate(
    _ map: Weights.Linear, _ dY: UnsafePointer<Float>, _ x: UnsafePointer<Float>, _ count: Int,
    _ gradients: UnsafeMutablePointer<Float>
  ) {
    BLAS.multiply(
      dY, aTransposed: true, x, rows: map.outputs, inner: count, columns: map.inputs, beta: 1,
      into: gradients + map.weight.offset)
    let bias = gradients + map.bias.offset
    for row in 0..<count {
      tape.kernels.accumulate(bias, dY + row * map.outputs, scale: 1, count: map.outputs)
    }
  }

  // MARK: One step

  private func runStep(_ step: Int, _ parameters: UnsafePointer<Float>) {
    let (batch, units, last) = (tape.batch, tape.units, configuration.controller.layers - 1)
    for sequence in 0..<batch {
      let dOutputInput = at(
        places.dOutputInput, step * batch + sequence, configuration.outputInputSize)
      tape.kernels.accumulate(
        at(places.dHidden[last], sequence, units), dOutputInput, scale: 1, count: units)
      if configuration.dialect.output.source == .hiddenAndReads {
        tape.kernels.accumulate(
          at(places.dReads, sequence, tape.readsCount), dOutputInput + units, scale: 1,
          count: tape.readsCount)
      }
      runMemory(step, sequence)
    }
    propagate(
      layout.weights.heads, at(places.dRaw, step * batch, tape.parameterCount), parameters,
      to: at(places.dHidden[last]), count: batch, beta: 1)
    for layer in stride(from: last, through: 0, by: -1) {
      runController(layer, step, parameters)
    }
  }

  /// From the gradient of h_t of a layer to those of its input: the layer's below, or the reads
  /// before; and to that of h_{t−1}.
  private func runController(_ layer: Int, _ step: Int, _ parameters: UnsafePointer<Float>) {
    let (batch, units) = (tape.batch, tape.units)
    let map = layout.weights.controller[layer]
    let dGates = at(places.dGates[layer], step * batch, map.outputs)
    let dHidden = at(places.dHidden[layer])
    switch configuration.controller.kind {
    case .lstm:
      for sequence in 0..<batch {
        let first = sequence * units
        tape.kernels.lstmGradient(
          gates: tape.gates(layer, step) + sequence * map.outputs,
          cellBefore: tape.cell(layer, step) + first, cell: tape.cell(layer, step + 1) + first,
          dHidden: dHidden + first, dCell: at(places.dCell[layer]) + first,
          dGates: dGates + sequence * map.outputs, units: units)
      }
    case .feedForward(let activation):
      tape.kernels.applyGradient(
        activation, tape.gates(layer, step), tape.hidden(layer, step + 1), dHidden, dGates,
        count: batch * units)
    }
    let dInput = at(places.dInput)
    propagate(map, dGates, parameters, to: dInput, count: batch)
    let isRecurrent = configuration.controller.kind == .lstm
    for sequence in 0..<batch {
      let row = dInput + sequence * map.inputs
      if isRecurrent {
        (dHidden + sequence * units).update(from: row + map.inputs - units, count: units)
      } else {
        (dHidden + sequence * units).update(repeating: 0, count: units)
      }
      if layer == 0 {
        at(places.dReads, sequence, tape.readsCount).update(
          from: row + configuration.inputSize, count: tape.readsCount)
      } else {
        tape.kernels.accumulate(
          at(places.dHidden[layer - 1], sequence, units), row, scale: 1, count: units)
      }
    }
  }

  // MARK: Memory

  /// From the gradients of r_t, w_t and M_t of a sequence to those of the heads' raw parameters,
  /// w_{t−1} and M_{t−1}.
  private func runMemory(_ step: Int, _ sequence: Int) {
    let heads = configuration.heads
    let weightingCount = heads.count * tape.rows
    let dBefore = at(places.dWeightingsBefore, sequence, weightingCount)
    dBefore.update(repeating: 0, count: weightingCount)
    let dValues = at(places.dValues)
    dValues.update(repeating: 0, count: tape.parameterCount)
    let writes = tape.writes(step, sequence)
    let writerCount = writes.count
    var version = step * tape.versionsPerStep + tape.versionsPerStep
    var writer = writerCount
    var read = configuration.readCount

    switch configuration.dialect.memoryOrder {
    case .sequential: break
    case .parallel:
      for index in stride(from: writerCount - 1, through: 0, by: -1) {
        version -= 1
        unwrite(index..<index + 1, writes, version, step, sequence, dValues)
      }
    case .combined where writerCount > 0:
      version -= 1
      unwrite(0..<writerCount, writes, version, step, sequence, dValues)
    case .combined: break
    }
    for index in heads.indices.reversed() {
      if heads[index].writes, configuration.dialect.memoryOrder == .sequential {
        writer -= 1
        version -= 1
        unwrite(writer..<writer + 1, writes, version, step, sequence, dValues)
      }
      if heads[index].reads { read -= 1 }
      unaddress(index, read, version, step, sequence, dValues, dBefore)
    }
    unactivate(step, sequence, dValues)
    at(places.dWeightings, sequence, weightingCount).update(from: dBefore, count: weightingCount)
  }

  /// Of the writes `range`, which were made at once from memory version `version`.
  private func unwrite(
    _ range: Range<Int>, _ writes: [HeadWrite], _ version: Int, _ step: Int, _ sequence: Int,
    _ dValues: UnsafeMutablePointer<Float>
  ) {
    let shape = addressing.addressing.shape
    let dMemory = at(places.dMemory, sequence, tape.memoryCount)
    let writers = configuration.heads.indices.filter { configuration.heads[$0].writes }
    writes.withUnsafeBufferPointer { writes in
      let first = writes.baseAddress! + range.lowerBound
      for (place, index) in writers[range].enumerated() {
        let head = tape.memoryStep.heads[index]
        guard let add = head.add else { continue }
        let dAdd = dValues + add.lowerBound
        // Without an erase vector its gradient goes where nobody looks.
        let dErase = head.erase.map { dValues + $0.lowerBound } ?? at(places.clipped)
        tape.kernels.writeHeadGradient(
          from: tape.memory(sequence, version), dMemory: dMemory, shape, heads: first,
          count: range.count, head: place,
          dWeighting: at(places.dWeightings, sequence, configuration.heads.count * tape.rows)
            + index * tape.rows, dErase: dErase, dAdd: dAdd)
      }
      tape.kernels.writeMemoryGradient(dMemory, shape, heads: first, count: range.count)
    }
  }

  /// Of reading and addressing by one head.
  private func unaddress(
    _ index: Int, _ read: Int, _ version: Int, _ step: Int, _ sequence: Int,
    _ dValues: UnsafeMutablePointer<Float>, _ dBefore: UnsafeMutablePointer<Float>
  ) {
    let shape = addressing.addressing.shape
    let place = index * tape.rows
    let memory = UnsafePointer(tape.memory(sequence, version))
    let dMemory = at(places.dMemory, sequence, tape.memoryCount)
    let dWeighting =
      at(places.dWeightings, sequence, configuration.heads.count * tape.rows) + place
    let weighting = UnsafePointer(tape.weightings(step + 1, sequence) + place)
    if configuration.heads[index].reads {
      tape.kernels.readGradient(
        memory, shape, weighting: weighting,
        dRead: at(places.dReads, sequence, tape.readsCount) + read * shape.columns,
        dMemory: dMemory, dWeighting: dWeighting)
    }
    addressing.run(
      tape.memoryStep.heads[index],
      AddressingGradient.Record(
        memory: memory, values: tape.parameters(step, sequence),
        before: tape.weightings(step, sequence) + place,
        content: tape.content(step, sequence) + place,
        shifted: tape.shifted(step, sequence) + place, weighting: weighting),
      dWeighting: dWeighting, dValues: dValues, dMemory: dMemory, dBefore: dBefore + place)
  }

  /// From the gradients of the heads' parameters to those of the raw ones.
  private func unactivate(_ step: Int, _ sequence: Int, _ dValues: UnsafePointer<Float>) {
    let dialect = configuration.dialect
    let raw = tape.rawParameters(step, sequence)
    let values = UnsafePointer(tape.parameters(step, sequence))
    let dRaw = at(places.dRaw, step * tape.batch + sequence, tape.parameterCount)
    let clipped = at(places.clipped)
    clipped.update(from: raw, count: tape.parameterCount)
    if let clip = dialect.parameterClip {
      MemoryStep.clip(clipped, count: tape.parameterCount, to: clip)
    }
    for head in tape.memoryStep.heads {
      addressing.unactivate(head, raw: clipped, values: values, dValues: dValues, dRaw: dRaw)
      for (range, activation) in [(head.erase, dialect.write.erase), (head.add, dialect.write.add)]
      {
        guard let range, let activation else { continue }
        tape.kernels.applyGradient(
          activation, clipped + range.lowerBound, values + range.lowerBound,
          dValues + range.lowerBound, dRaw + range.lowerBound, count: range.count)
      }
    }
    if let clip = dialect.parameterClip {
      for index in 0..<tape.parameterCount where abs(raw[index]) > clip { dRaw[index] = 0 }
    }
  }

  // MARK: Start state

  private func accumulateStart(_ gradients: UnsafeMutablePointer<Float>) {
    let (rows, columns, units) = (
      configuration.memory.rows, configuration.memory.columns, tape.units
    )
    for sequence in 0..<tape.batch {
      let dMemory = at(places.dMemory, sequence, tape.memoryCount)
      for row in 0..<rows {
        for column in 0..<columns {
          gradients[layout.startMemory + row * columns + column] +=
            dMemory[tape.memoryIndex(row, column)]
        }
      }
      for head in configuration.heads.indices {
        tape.kernels.accumulate(
          gradients + layout.startWeightings + head * rows,
          at(places.dWeightings, sequence, configuration.heads.count * tape.rows)
            + head * tape.rows, scale: 1, count: rows)
      }
      tape.kernels.accumulate(
        gradients + layout.startReads, at(places.dReads, sequence, tape.readsCount), scale: 1,
        count: tape.readsCount)
      guard configuration.controller.kind == .lstm else { continue }
      for layer in places.dHidden.indices {
        tape.kernels.accumulate(
          gradients + layout.startHidden + layer * units,
          at(places.dHidden[layer], sequence, units), scale: 1, count: units)
        tape.kernels.accumulate(
          gradients + layout.startCell + layer * units, at(places.dCell[layer], sequence, units),
          scale: 1, count: units)
      }
    }
  }
}

import NTMModel

/// What the forward pass over a batch of sequences keeps for the backward pass.
///
/// T steps, B sequences, H units, L layers, R read heads, P head parameters, N' padded rows. Arrays
/// whose first dimension is T + 1 begin with the start state.
final class Tape {
  let configuration: Configuration
  let layout: ParameterLayout
  /// T, at most `capacity`.
  var steps: Int { didSet { precondition(steps <= capacity, "a sequence too long for its tape") } }
  /// The steps that there is room for.
  let capacity: Int
  let batch: Int
  let kernels: Kernels
  let memoryStep: MemoryStep

  /// Versions of the memory that a step makes: one for each write, or one for all at once.
  let versionsPerStep: Int

  private let buffer: AlignedBuffer<Float>
  private let places: Places

  private struct Places {
    var controllerInputs: [Int] = []
    var gates: [Int] = []
    var hidden: [Int] = []
    var cell: [Int] = []
    var rawParameters = 0
    var parameters = 0
    var memory = 0
    var weightings = 0
    var content = 0
    var shifted = 0
    var reads = 0
    var outputInput = 0
    var logits = 0
    var output = 0
    var noErase = 0
    var scratch = 0
    var sums = 0
  }

  /// - Parameters:
  ///   - steps: T, and the room for it
  ///   - batch: B
  init(_ configuration: Configuration, steps: Int, batch: Int, kernels: Kernels = .best)
    throws(AllocationError)
  {
    self.configuration = configuration
    self.steps = steps
    capacity = steps
    self.batch = batch
    self.kernels = kernels
    layout = ParameterLayout(configuration)
    memoryStep = MemoryStep(configuration, kernels: kernels)
    let writers = configuration.heads.count { $0.writes }
    versionsPerStep = configuration.dialect.memoryOrder == .combined ? min(1, writers) : writers
    let rows = Kernels.padded(configuration.memory.rows)
    var end = 0
    func take(_ counts: Int...) -> Int {
      defer { end += Kernels.padded(counts.reduce(1, *)) }
      return end
    }
    var places = Places()
    let units = configuration.controller.units
    for map in layout.weights.controller {
      places.controllerInputs.append(take(steps, batch, map.inputs))
      places.gates.append(take(steps, batch, map.outputs))
      places.hidden.append(take(steps + 1, batch, units))
      places.cell.append(take(steps + 1, batch, units))
    }
    let parameters = layout.weights.heads.outputs
    let heads = configuration.heads.count
    places.rawParameters = take(steps, batch, parameters)
    places.parameters = take(steps, batch, parameters)
    places.memory = take(batch, steps * versionsPerStep + 1, rows * configuration.memory.columns)
    places.weightings = take(steps + 1, batch, heads, rows)
    places.content = take(steps, batch, heads, rows)
    places.shifted = take(steps, batch, heads, rows)
    places.reads = take(steps + 1, batch, configuration.readCount * configuration.memory.columns)
    places.outputInput = take(steps, batch, configuration.outputInputSize)
    places.logits = take(steps, batch, configuration.outputSize)
    places.output = take(steps, batch, configuration.outputSize)
    places.noErase = take(configuration.memory.columns)
    places.scratch = take(2, rows)
    places.sums = take(configuration.memory.columns, Kernels.lanes)
    self.places = places
    buffer = try AlignedBuffer<Float>(zeros: end)
  }

  // MARK: Places

  var units: Int { configuration.controller.units }
  var rows: Int { memoryStep.addressing.shape.paddedRows }
  var memoryCount: Int { rows * configuration.memory.columns }
  var readsCount: Int { configuration.readCount * configuration.memory.columns }
  var parameterCount: Int { layout.weights.heads.outputs }

  private func at(_ place: Int, _ index: Int, _ stride: Int) -> UnsafeMutablePointer<Float> {
    buffer.base + place + index * stride
  }

  /// B × inputs of a layer at a step: [x_t, r_{t−1}…, h_{t−1}].
  func controllerInput(_ layer: Int, _ step: Int) -> UnsafeMutablePointer<Float> {
    at(places.controllerInputs[layer], step, batch * layout.weights.controller[layer].inputs)
  }
  /// B × gates of a layer, before their activations.
  func gates(_ layer: Int, _ step: Int) -> UnsafeMutablePointer<Float> {
    at(places.gates[layer], step, batch * layout.weights.controller[layer].outputs)
  }
  /// B × H, before step `step`.
  func hidden(_ layer: Int, _ step: Int) -> UnsafeMutablePointer<Float> {
    at(places.hidden[layer], step, batch * units)
  }
  /// B × H, before step `step`.
  func cell(_ layer: Int, _ step: Int) -> UnsafeMutablePointer<Float> {
    at(places.cell[layer], step, batch * units)
  }
  /// B × P, before clip and activations.
  func rawParameters(_ step: Int, _ sequence: Int = 0) -> UnsafeMutablePointer<Float> {
    at(places.rawParameters, step * batch + sequence, parameterCount)
  }
  /// B × P.
  func parameters(_ step: Int, _ sequence: Int = 0) -> UnsafeMutablePointer<Float> {
    at(places.parameters, step * batch + sequence, parameterCount)
  }
  /// N' × M in blocks, after `version` versions of all steps.
  func memory(_ sequence: Int, _ version: Int) -> UnsafeMutablePointer<Float> {
    at(places.memory, sequence * (capacity * versionsPerStep + 1) + version, memoryCount)
  }
  /// heads × N', before step `step`.
  func weightings(_ step: Int, _ sequence: Int) -> UnsafeMutablePointer<Float> {
    at(places.weightings, step * batch + sequence, configuration.heads.count * rows)
  }
  /// heads × N', w^c.
  func content(_ step: Int, _ sequence: Int) -> UnsafeMutablePointer<Float> {
    at(places.content, step * batch + sequence, configuration.heads.count * rows)
  }
  /// heads × N', w̃.
  func shifted(_ step: Int, _ sequence: Int) -> UnsafeMutablePointer<Float> {
    at(places.shifted, step * batch + sequence, configuration.heads.count * rows)
  }
  /// B × R M, before step `step`.
  func reads(_ step: Int, _ sequence: Int = 0) -> UnsafeMutablePointer<Float> {
    at(places.reads, step * batch + sequence, readsCount)
  }
  /// B × [h_t, r_t…].
  func outputInput(_ step: Int, _ sequence: Int = 0) -> UnsafeMutablePointer<Float> {
    at(places.outputInput, step * batch + sequence, configuration.outputInputSize)
  }
  /// B × outputs, before clip and activation.
  func logits(_ step: Int, _ sequence: Int = 0) -> UnsafeMutablePointer<Float> {
    at(places.logits, step * batch + sequence, configuration.outputSize)
  }
  /// M zeros, for dialects without erase.
  var noErase: UnsafePointer<Float> { UnsafePointer(buffer.base + places.noErase) }

  var dots: UnsafeMutablePointer<Float> { buffer.base + places.scratch }
  var squares: UnsafeMutablePointer<Float> { buffer.base + places.scratch + rows }
  /// Room for what one head reads.
  var sums: UnsafeMutablePointer<Float> { buffer.base + places.sums }

  /// Where memory element (row, column) lies.
  func memoryIndex(_ row: Int, _ column: Int) -> Int {
    (row / Kernels.lanes * configuration.memory.columns + column) * Kernels.lanes
      + row % Kernels.lanes
  }

  /// The writes of a sequence at a step, in the order of the write heads.
  func writes(_ step: Int, _ sequence: Int) -> [HeadWrite] {
    let values = UnsafePointer(parameters(step, sequence))
    let weightings = UnsafePointer(self.weightings(step + 1, sequence))
    return configuration.heads.indices.compactMap { index in
      guard let add = memoryStep.heads[index].add else { return nil }
      return HeadWrite(
        by: weightings + index * rows,
        erasing: memoryStep.heads[index].erase.map { values + $0.lowerBound } ?? noErase,
        adding: values + add.lowerBound)
    }
  }
}

/// Writes values of a tensor at `destination`: those of `range`, counted row-major, of the tensor
/// that a model file calls `name`.
public typealias TensorSource = (
  _ name: String, _ shape: [Int], _ range: Range<Int>,
  _ destination: UnsafeMutablePointer<Float>
) throws -> Void

extension Model {
  /// Makes a model of a configuration, asking for each of its tensors. A tensor is copied once,
  /// from its source to where steps use it.
  ///
  /// - Throws: `ConfigurationError`, `AllocationError`, or what `source` throws.
  public convenience init(_ configuration: Configuration, source: TensorSource) throws {
    try self.init(configuration, kernels: .best, source: source)
  }

  /// As above, with a choice of kernels, which shows in speed alone.
  package convenience init(
    _ configuration: Configuration, kernels: Kernels, source: TensorSource
  ) throws {
    try configuration.validate()
    let weights = try Weights(layout: Weights.Layout(configuration)) { tensor, range, values in
      try source(tensor.name, tensor.shape, range, values)
    }
    var start = try State(layout: StateLayout(configuration))
    for (part, value) in zip(start.layout.parts, configuration.start.parts.map(\.value)) {
      try start.writeChunks(of: part) { range, chunk in
        switch value {
        case .constant(let constant): chunk.update(repeating: constant, count: range.count)
        case .stored: try source("start.\(part.name)", part.shape, range, chunk)
        }
      }
    }
    self.init(
      configuration: configuration, weights: weights, start: start, kernels: kernels)
  }

  /// A tensor of a model file.
  public struct Tensor {
    public let name: String
    public let shape: [Int]
    private let model: Model
    private let place: Place

    fileprivate enum Place {
      case weights(Weights.Tensor)
      case start(StateLayout.Part)
    }

    fileprivate init(name: String, shape: [Int], model: Model, place: Place) {
      self.name = name
      self.shape = shape
      self.model = model
      self.place = place
    }

    /// Shows all values in order, row-major, some at a time.
    func forEachChunk(_ show: (UnsafeBufferPointer<Float>) -> Void) {
      switch place {
      case .weights(let tensor):
        model.weights.readChunks(of: tensor, show)
      case .start(let part):
        model.start.readChunks(of: part) { range, chunk in
          show(UnsafeBufferPointer(start: chunk, count: range.count))
        }
      }
    }

    public var values: [Float] {
      var values: [Float] = []
      values.reserveCapacity(shape.reduce(1, *))
      forEachChunk { values.append(contentsOf: $0) }
      return values
    }
  }

  /// The parts of a start state that a model file has tensors for.
  private static func storedParts(
    _ layout: StateLayout, _ start: StartState
  ) -> [StateLayout.Part] {
    zip(layout.parts, start.parts)
      .filter { part, value in value.value == .stored && part.valueCount > 0 }.map(\.0)
  }

  /// Name and shape of every tensor that a model file has for a configuration, as `tensors`.
  static func tensorShapes(of configuration: Configuration) -> [(name: String, shape: [Int])] {
    let weights = Weights.Layout(configuration).tensors.map { ($0.name, $0.shape) }
    let start = storedParts(StateLayout(configuration), configuration.start)
      .map { ("start.\($0.name)", $0.shape) }
    return weights + start
  }

  /// All tensors that a model file has for this model: weights, then what is stored of the start
  /// state.
  public var tensors: [Tensor] {
    let stored = Self.storedParts(stateLayout, configuration.start)
    return weights.layout.tensors.map {
      Tensor(name: $0.name, shape: $0.shape, model: self, place: .weights($0))
    }
      + stored.map {
        Tensor(name: "start.\($0.name)", shape: $0.shape, model: self, place: .start($0))
      }
  }
}

import NTMModel

extension ParameterVector {
  /// Parameters before training.
  ///
  /// The controller's weights are uniform within ±1/√H and its forget gates begin with a bias of 1;
  /// the heads' and the output's are uniform after Glorot and Bengio (2010). The start state
  /// is what the configuration says; where it is learned, it begins small, the weightings focused.
  convenience init(
    untrained configuration: Configuration, using generator: inout RandomGenerator
  ) throws(AllocationError) {
    try self.init(zerosFor: configuration)
    func fill(_ tensor: Weights.Tensor, within bound: Double) {
      for index in 0..<tensor.count {
        values[tensor.offset + index] = Float((2 * generator.uniform() - 1) * bound)
      }
    }
    let units = configuration.controller.units
    for map in layout.weights.controller {
      fill(map.weight, within: 1 / Double(units).squareRoot())
      fill(map.bias, within: 1 / Double(units).squareRoot())
      if configuration.controller.kind == .lstm {
        for index in units..<2 * units { values[map.bias.offset + index] += 1 }
      }
    }
    for map in [layout.weights.heads, layout.weights.output] {
      fill(map.weight, within: (6 / Double(map.inputs + map.outputs)).squareRoot())
      fill(map.bias, within: 0.01)
    }
    for (tensor, part) in zip(layout.start, configuration.start.parts) {
      if case .constant(let constant) = part.value {
        (values + tensor.offset).update(repeating: constant, count: tensor.count)
      } else {
        fill(tensor, within: 0.05)
      }
    }
    if configuration.start.weightings == .stored { focusStartWeightings(configuration) }
  }

  /// A model with these parameters; its start state's stored parts are among them.
  func model(_ configuration: Configuration) throws -> Model {
    let places = Dictionary(uniqueKeysWithValues: layout.tensors.map { ($0.name, $0.offset) })
    return try Model(configuration) { name, _, range, destination in
      guard let place = places[name] else { preconditionFailure("no tensor \(name)") }
      destination.update(from: values + place + range.lowerBound, count: range.count)
    }
  }

  /// Which parameters training changes, in whole vectors: the weights, and what the model file
  /// stores of the start state.
  func learned(_ configuration: Configuration) -> [Range<Int>] {
    let stored = zip(layout.start, configuration.start.parts).filter { $1.value == .stored }
    var ranges: [Range<Int>] = []
    for tensor in layout.weights.tensors + stored.map(\.0) where tensor.count > 0 {
      let end = tensor.offset + tensor.room
      if let last = ranges.last, last.upperBound == tensor.offset {
        ranges[ranges.count - 1] = last.lowerBound..<end
      } else {
        ranges.append(tensor.offset..<end)
      }
    }
    return ranges
  }
}

package import NTMModel

/// Everything of a model that training changes, in one flat vector: the weights, then the start
/// state, each tensor row-major as in a model file.
package struct ParameterLayout: Sendable {
  package let weights: Weights.Layout
  /// `start.memory` [N, M], `start.weightings` [heads, N], `start.reads` [R, M], `start.hidden` and
  /// `start.cell` [layers, H].
  package let start: [Weights.Tensor]
  package let count: Int

  package init(_ configuration: Configuration) {
    weights = Weights.Layout(configuration)
    var end = weights.count
    start = StateLayout(configuration).parts.map { part in
      let tensor = Weights.Tensor(name: "start.\(part.name)", shape: part.shape, offset: end)
      end += tensor.room
      return tensor
    }
    count = end
  }

  package var tensors: [Weights.Tensor] { weights.tensors + start }

  var startMemory: Int { start[0].offset }
  var startWeightings: Int { start[1].offset }
  var startReads: Int { start[2].offset }
  var startHidden: Int { start[3].offset }
  var startCell: Int { start[4].offset }
}

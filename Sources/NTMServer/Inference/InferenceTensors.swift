import NTMModel

/// The tensors that a model takes and gives by the Open Inference Protocol. The first dimension is
/// time: a request may have several steps.
enum InferenceTensor: String, CaseIterable {
  /// What the model gives: T × O.
  case output
  /// One weighting for each head that reads: T × R × N.
  case readWeightings = "read_weightings"
  /// One weighting for each head that writes: T × W × N.
  case writeWeightings = "write_weightings"

  /// What the model takes: T × I.
  static let input = "input"
  /// float32, the only type there is.
  static let datatype = "FP32"

  /// Of one step.
  func shape(of model: ServedModel) -> [Int] {
    let configuration = model.model.configuration
    let rows = configuration.memory.rows
    return switch self {
    case .output: [configuration.outputSize]
    case .readWeightings: [configuration.heads.count { $0.reads }, rows]
    case .writeWeightings: [configuration.heads.count { $0.writes }, rows]
    }
  }

  /// Appends what the last step gave.
  func append(
    _ content: borrowing Session.Content, _ room: StepRoom, of model: ServedModel,
    to values: inout [Float]
  ) {
    let heads = model.model.configuration.heads
    switch self {
    case .output: values += room.workspace.output
    case .readWeightings:
      for index in heads.indices where heads[index].reads {
        values += content.state.weighting(index)
      }
    case .writeWeightings:
      for index in heads.indices where heads[index].writes {
        values += content.state.weighting(index)
      }
    }
  }
}

/// A tensor as the protocol's metadata describes it; -1 is any size.
struct TensorMetadata: Encodable {
  let name: String
  let datatype: String
  let shape: [Int]

  static func input(of model: ServedModel) -> TensorMetadata {
    TensorMetadata(
      name: InferenceTensor.input, datatype: InferenceTensor.datatype,
      shape: [-1, model.model.configuration.inputSize])
  }

  static func outputs(of model: ServedModel) -> [TensorMetadata] {
    InferenceTensor.allCases.map {
      TensorMetadata(
        name: $0.rawValue, datatype: InferenceTensor.datatype, shape: [-1] + $0.shape(of: model))
    }
  }
}

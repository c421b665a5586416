/// Everything that says what a Neural Turing Machine computes, apart from its weights: the sizes,
/// the heads and, as data, every choice in which public implementations differ.
///
/// Terms and symbols are those of Graves, Wayne and Danihelka, "Neural Turing Machines" (2014,
/// arXiv 1410.5401), called "the paper" below. A model file holds a configuration as JSON; see
/// `Configuration+JSON.swift`.
public struct Configuration: Hashable, Sendable {
  /// Values in an input x_t.
  public var inputSize: Int
  /// Values in an output.
  public var outputSize: Int
  /// The memory matrix M_t.
  public var memory: MemoryShape
  public var controller: Controller
  /// The heads, in the order in which they act and in which weightings are listed.
  public var heads: [Head]
  public var dialect: Dialect
  public var start: StartState

  public init(
    inputSize: Int, outputSize: Int, memory: MemoryShape, controller: Controller, heads: [Head],
    dialect: Dialect, start: StartState = .stored
  ) {
    self.inputSize = inputSize
    self.outputSize = outputSize
    self.memory = memory
    self.controller = controller
    self.heads = heads
    self.dialect = dialect
    self.start = start
  }
}

/// The memory matrix: N rows (locations) of M columns.
public struct MemoryShape: Hashable, Sendable {
  /// N, the number of locations.
  public var rows: Int
  /// M, the length of the vector at each location.
  public var columns: Int

  public init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
  }
}

/// The network that drives the heads (paper, section 3.4).
public struct Controller: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    /// Long short-term memory without peepholes.
    case lstm
    /// Layers of h = activation(W x + b), without state.
    case feedForward(activation: Activation)
  }

  public var kind: Kind
  public var layers: Int
  /// Units of each layer, H.
  public var units: Int

  public init(kind: Kind, layers: Int = 1, units: Int) {
    self.kind = kind
    self.layers = layers
    self.units = units
  }
}

/// What a head does with its weighting w_t.
public enum Head: String, Hashable, Sendable, Codable, CaseIterable {
  case read
  case write
  /// Reads and writes with one weighting, as in fumin/ntm.
  case readWrite = "read_write"

  public var reads: Bool { self != .write }
  public var writes: Bool { self != .read }
}

/// An elementwise function.
public enum Activation: String, Hashable, Sendable, Codable, CaseIterable {
  case identity, relu, tanh, sigmoid
  /// ln(1 + e^x)
  case softplus
  case exp
}

/// A part of the state that a sequence starts from.
public enum StartValue: Hashable, Sendable {
  /// The model file has a tensor for it.
  case stored
  /// Every element has this value.
  case constant(Float)
}

/// What a session's state is before its first step.
public struct StartState: Hashable, Sendable {
  /// M_0, N × M.
  public var memory: StartValue
  /// w_0, heads × N. They need not be normalised: pytorch-ntm starts from zeros.
  public var weightings: StartValue
  /// r_0, read heads × M.
  public var reads: StartValue
  /// h_0 of an LSTM, layers × units.
  public var hidden: StartValue
  /// c_0 of an LSTM, layers × units.
  public var cell: StartValue

  public init(
    memory: StartValue, weightings: StartValue, reads: StartValue, hidden: StartValue,
    cell: StartValue
  ) {
    self.memory = memory
    self.weightings = weightings
    self.reads = reads
    self.hidden = hidden
    self.cell = cell
  }

  public static let stored = StartState(
    memory: .stored, weightings: .stored, reads: .stored, hidden: .stored, cell: .stored)
}

extension Configuration {
  /// R, how many read vectors a step produces.
  public var readCount: Int { heads.count { $0.reads } }

  /// Values that the first layer of the controller takes: [x_t, r_{t−1}…].
  public var controllerInputSize: Int { inputSize + readCount * memory.columns }

  /// Values that the output layer takes: [h_t, r_t…] or h_t.
  public var outputInputSize: Int {
    controller.units + (dialect.output.source == .hiddenAndReads ? readCount * memory.columns : 0)
  }
}

public import NTMModel

/// What a run begins with: a task, a model's configuration and the settings.
public struct TrainingSetup: Sendable {
  public var task: any TrainingTask
  public var configuration: Configuration
  public var options: TrainingOptions

  public init(task: any TrainingTask, configuration: Configuration, options: TrainingOptions) {
    self.task = task
    self.configuration = configuration
    self.options = options
  }

  /// A model for a task, with the settings that most tasks do well with: an LSTM controller of 100
  /// units, a memory of 128 × 20 that starts at 1e-6 everywhere (Collier and Beel 2018, arXiv
  /// 1807.08518), one read head and one write head.
  public init(_ task: any TrainingTask) {
    self.task = task
    var dialect = Preset.paper.dialect
    if !(0...1).contains(task.targetRange) { dialect.output.activation = .identity }
    configuration = Configuration(
      inputSize: task.inputSize, outputSize: task.outputSize,
      memory: MemoryShape(rows: 128, columns: 20),
      controller: Controller(kind: .lstm, units: 100), heads: [.read, .write],
      dialect: dialect,
      start: StartState(
        memory: .constant(1e-6), weightings: .stored, reads: .stored, hidden: .stored,
        cell: .stored))
    options = TrainingOptions()
  }

  /// One of the paper's tasks with the settings that worked for it; `Models/README.md` says how well.
  public init(_ kind: TaskKind) {
    self.init(kind.task)
    switch kind {
    case .copy:
      options.sequences = 150_000
      options.validationBeyond = 4
    case .repeatCopy:
      options.sequences = 120_000
      options.interval = 8_192
      options.validationBeyond = 8
      // The write head moves on while the reading repeats: in 128 rows it comes around and
      // overwrites what is still to be read where there are 20 vectors and 10 repeats.
      configuration.memory.rows = 256
    case .associativeRecall:
      options.sequences = 300_000
      options.interval = 8_192
      options.validationBeyond = 8
    case .nGrams:
      options.sequences = 100_000
    case .prioritySort:
      // Many small updates, on fewer vectors first; strengths that tell close priorities apart.
      options.sequences = 2_500_000
      options.batch = 2
      options.rate = 3e-4
      options.curriculum = 0.8
      options.interval = 20_000
      options.validation = 64
      configuration.memory.rows = 32
      configuration.controller = Controller(kind: .feedForward(activation: .tanh), units: 200)
      configuration.heads = .pairs(3)
      configuration.dialect.addressing.strength = .exp
      configuration.start.memory = .stored
    }
  }
}

extension [Head] {
  /// Read and write heads in turn.
  public static func pairs(_ count: Int) -> [Head] { (0..<count).flatMap { _ in [.read, .write] } }
}

import ArgumentParser
import NTMModel
import NTMTraining

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model on one of the paper's tasks, or on sequences of your own.",
    discussion: """
      Without options, the settings are those with which the models in Models/ were made.

      Beside the model, OUTPUT, stand a record of the run (.csv), its learning curve (.svg) and a \
      checkpoint (.checkpoint), from which --resume goes on. Ctrl-C writes one and ends.

      A file of sequences has one a line: {"input": [[…], …], "target": [[…], …], "mask": […]}, with \
      one element a step; a mask of 0 says that the step's output does not matter.
      """)

  @Argument(help: ArgumentHelp("The task.", valueName: "task"))
  var name: TaskKind?

  @Option(help: "Sequences of your own, as NDJSON, instead.")
  var task: String?

  @Option(name: .shortAndLong, help: "The model file to write. (default: <task>.safetensors)")
  var output: String?

  @Flag(help: "Go on with the run whose checkpoint stands beside OUTPUT, with its settings.")
  var resume = false

  @Flag(help: "Replace the files of an earlier run.")
  var force = false

  @Option(help: "Threads to compute with. Their number does not change the result.")
  var threads: Int?

  @OptionGroup(title: "Task") var taskSettings: TaskSettings
  @OptionGroup(title: "Model") var modelSettings: ModelSettings
  @OptionGroup(title: "Run") var runSettings: RunSettings

  func run() throws {
    let signals = Signals.caught([.interrupt, .terminate], .noting)
    let files = RunFiles(model: try outputPath())
    let trainer = try resume ? resumed(files) : begun(files)
    var progress = ProgressBar(trainer)
    while !trainer.isFinished, !signals.isStopPending {
      let record = try trainer.update()
      if record != nil { save(trainer, files, &progress) }
      progress.show(trainer, record)
    }
    progress.end()
    do {
      try files.write(trainer)
    } catch {
      throw Failure("\(error). Go on from the last checkpoint with: \(resumption(files))")
    }
    guard trainer.isFinished else {
      try StandardOutput.print(
        "Stopped after \(trainer.sequences) of \(trainer.options.sequences) sequences. "
          + "Go on with: \(resumption(files))")
      return
    }
    let report = try EvaluationReport(
      trainer.bestModel(), trainer.task, threads: try threadCount())
    try files.writeModel(trainer, evaluation: report)
    try StandardOutput.print(
      "\(files.model): \(trainer.sequences) sequences in \(ProgressBar.time(trainer.seconds))")
    try StandardOutput.print(report.table)
    if trainer.skipped > 0 || trainer.fallbacks > 0 {
      try StandardOutput.print(
        "\(trainer.skipped) updates were skipped, because their loss or gradient was not finite; the run "
          + "fell back to an earlier model \(trainer.fallbacks) times")
    }
    if trainer.best == nil {
      try StandardOutput.print(
        "No validation was finite: the model has learnt nothing. Try a lower --rate.")
    }
  }

  private func resumption(_ files: RunFiles) -> String {
    "ntm train --resume --output \(files.model)"
  }

  private func begun(_ files: RunFiles) throws -> Trainer {
    var setup: TrainingSetup
    if let task {
      setup = TrainingSetup(try FileTask(path: task))
    } else {
      setup = TrainingSetup(name ?? .copy)
    }
    setup.task = try taskSettings.apply(to: setup.task)
    setup.configuration.inputSize = setup.task.inputSize
    setup.configuration.outputSize = setup.task.outputSize
    try modelSettings.apply(to: &setup.configuration)
    try runSettings.apply(to: &setup.options)
    let trainer = try Trainer(setup, threads: try threadCount())
    guard force || !files.exist else {
      throw Failure(
        "\(files.model) or the files of its run are there already; --force replaces them, and "
          + "--resume goes on where a checkpoint stands")
    }
    try files.checkWritable(inputs: task.map { [$0] } ?? [])
    try files.write(trainer)
    return trainer
  }

  /// Saves the state of a run that goes on. A full disk does not end the run: the files of the last
  /// time stay, and the next time may succeed.
  private func save(_ trainer: Trainer, _ files: RunFiles, _ progress: inout ProgressBar) {
    do {
      try files.write(trainer)
    } catch {
      progress.warn("\(error); the run goes on")
    }
  }

  private func resumed(_ files: RunFiles) throws -> Trainer {
    guard taskSettings.isEmpty, modelSettings.isEmpty, runSettings.isEmpty, !force else {
      throw ValidationError(
        "--resume goes on with the settings of the checkpoint; give it no others")
    }
    let checkpoint = try Checkpoint(path: files.checkpoint)
    if let task, try FileTask(path: task) != checkpoint.task as? FileTask {
      throw Failure("\(files.checkpoint) is of another task than \(task)")
    }
    if let name, name.rawValue != type(of: checkpoint.task).name {
      throw Failure(
        "\(files.checkpoint) is of task \(type(of: checkpoint.task).name), not \(name.rawValue)")
    }
    try files.checkWritable(inputs: (checkpoint.task as? FileTask).map { [$0.path] } ?? [])
    return try Trainer(checkpoint, threads: try threadCount())
  }

  private func threadCount() throws -> Int {
    let threads = self.threads ?? SystemLimits.processors
    guard threads >= 1 else {
      throw ValidationError("--threads is \(threads); it must be at least 1")
    }
    return threads
  }

  private func outputPath() throws -> String {
    switch (name, task, output) {
    case (_?, _?, _): throw ValidationError("a task and --task are both given; give one")
    case (nil, nil, _) where !resume:
      throw ValidationError(
        "no task is given; tasks are "
          + TaskKind.allCases.map(\.rawValue).joined(separator: ", ")
          + ", or --task FILE for sequences of your own")
    case (_, _, let output?): return output
    case (let name?, nil, nil): return "\(name.rawValue).safetensors"
    case (nil, let file?, nil):
      return URL(filePath: file).deletingPathExtension().lastPathComponent + ".safetensors"
    case (nil, nil, nil): throw ValidationError("--resume needs a task or --output")
    }
  }
}

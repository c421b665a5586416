import NTMModel
import NTMTraining

#if canImport(FoundationEssentials)
  import FoundationEssentials
#else
  import Foundation
#endif

/// The files of a training run, which stand beside each other.
struct RunFiles {
  /// The model that did best so far.
  let model: String

  init(model: String) { self.model = model }

  var checkpoint: String { beside("checkpoint") }
  var record: String { beside("csv") }
  var curve: String { beside("svg") }

  private func beside(_ suffix: String) -> String {
    (model.hasSuffix(".safetensors") ? String(model.dropLast(".safetensors".count)) : model)
      + ".\(suffix)"
  }

  /// Whether any of them is there.
  var exist: Bool {
    [model, checkpoint, record, curve].contains { FileManager.default.fileExists(atPath: $0) }
  }

  /// Finds out before a long run that its files can't be written.
  func checkWritable() throws {
    let folder = URL(filePath: model.literalPath).deletingLastPathComponent().path
    guard FileManager.default.isWritableFile(atPath: folder) else {
      throw Failure("\(model) can't be written: \(folder) is not a folder that can be written to")
    }
  }

  /// Writes where the run stands: the model, its checkpoint, record and learning curve.
  func write(_ trainer: Trainer) throws {
    do {
      try trainer.checkpoint().write(to: checkpoint)
      let lines = [TrainingRecord.csvHeader] + trainer.history.map(\.csv)
      try write(lines.joined(separator: "\n") + "\n", to: record)
      if !trainer.history.isEmpty {
        let curve = LearningCurve(
          trainer.history, title: "\(type(of: trainer.task).name), seed \(trainer.options.seed)",
          unit: Loss(trainer.configuration.dialect.output).unit)
        try write(curve.svg, to: self.curve)
      }
    } catch {
      throw Failure("the files of the run beside \(model) can't be written: \(error)")
    }
    try writeModel(trainer, evaluation: nil)
  }

  /// Writes the best model so far, with what made it and what it reaches.
  func writeModel(_ trainer: Trainer, evaluation: EvaluationReport?) throws {
    let file = ModelFile(
      model: try trainer.bestModel(),
      description: ModelFile.Description(
        task: type(of: trainer.task).name, source: "trained by ntm train",
        training: try trainer.summary(evaluation: evaluation), producer: "ntm \(Release.version)"))
    do {
      try file.safeTensors().write(to: model)
    } catch {
      throw Failure("\(model) can't be written: \(error)")
    }
  }

  private func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(filePath: path.literalPath), options: .atomic)
  }
}

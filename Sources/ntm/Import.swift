public import ArgumentParser
public import NTMModel

struct Import: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Turn weights that another implementation trained into a model file.",
    discussion: """
      Weights are a safetensors file whose tensors have the names of pytorch-ntm's state dict, of \
      TensorFlow's variables (MarkPKCollier/NeuralTuringMachine or tf.contrib's NTMCell), or of \
      fumin/ntm. Tools/pytorch_to_safetensors.py makes such a file of a PyTorch checkpoint.
      """)

  @Argument(help: "The weights.")
  var weights: String

  @Option(name: .shortAndLong, help: "The model file to write.")
  var output: String

  @Option(
    help: """
      The dialect that the weights were trained in, where they do not say it themselves: \
      \(Preset.allCases.map(\.rawValue).joined(separator: ", ")).
      """)
  var dialect: Preset?

  @Option(help: "The task that the model was trained for, such as copy.")
  var task: String?

  @Option(help: "Where the weights come from.")
  var source: String?

  @Flag(help: "Replace a file that is there.")
  var force = false

  func run() throws {
    let target = try OutputFile(output, inputs: [weights])
    guard force || !target.replacesFile else {
      throw Failure("\(output) is there already; --force replaces it")
    }
    try target.checkWritable()
    var file: ModelFile
    do {
      file = try WeightImport.model(from: SafeTensorsFile(path: weights), dialect: dialect)
    } catch {
      throw Failure("\(weights): \(error)")
    }
    if let task { file.description.task = task }
    if let source { file.description.source = source }
    file.description.producer = "ntm \(Release.version)"
    try target.write(file.safeTensors().bytes())
    if target.isStandardOutput { return }
    try StandardOutput.print(
      "\(output): \(file.model.parameterCount) parameters, sha256:\(file.model.digest())")
  }
}

extension Preset: ExpressibleByArgument {}

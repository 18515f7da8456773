"""torchvision's S3D as a side of a comparison, where torch and torchvision are installed."""

from experiments.benchmarks.comparing import for_a_while, made_late
from experiments.benchmarks.plain import MOMENTUM, RATE
from s3dg.program.entry import UsageError


def create(clips, options, training):
    """The side: what torchvision's S3D does with clips, uint8 (batch, T, H, W, 3).

    It is given its best: channels last, and torch's automatic bfloat16 where ours is mixed.

    Raises:
      UsageError: where it is not installed.
    """
    try:
        import torch
        from torchvision.models import video
    except (ImportError, RuntimeError) as error:  # RuntimeError: for another version of torch
        raise UsageError(
            '--against: torchvision cannot be imported, expected torch and torchvision that fit '
            f'together: {error}'
        ) from error
    torch.set_num_threads(options.processes)
    if options.dtype == 'mixed_float16':
        raise UsageError(f'--dtype: found {options.dtype}, expected another with --against.')
    mixed = options.dtype == 'mixed_bfloat16'

    def work():
        network = video.s3d(num_classes=options.fields.get('num_classes', 400))
        network = network.to(memory_format=torch.channels_last_3d).train(training)
        optimizer = torch.optim.SGD(network.parameters(), RATE, MOMENTUM)
        labels = torch.zeros(len(clips), dtype=torch.long)
        stored = torch.from_numpy(clips)

        def call():
            scaled = stored.permute(0, 4, 1, 2, 3).float() / 127.5 - 1
            with torch.autocast('cpu', torch.bfloat16, enabled=mixed):
                return network(scaled.contiguous(memory_format=torch.channels_last_3d)).float()

        def infer():
            with torch.inference_mode():
                call()

        def step():
            loss = torch.nn.functional.cross_entropy(call(), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        function = step if training else infer
        function()
        return for_a_while(function, len(clips))

    return made_late('torchvision', work)
